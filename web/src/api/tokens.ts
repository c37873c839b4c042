import { ref } from 'vue'

import type { Token } from './types'

/*
 * The access token lives in memory only; the refresh token survives a reload in localStorage.
 * A refresh token works once, so at most one renewal may be under way, in this tab and in all
 * others: the second would present a token already used, which looks like theft to the server.
 */
const STORED = 'refresh_token'

const access = ref('')
const refreshable = ref(localStorage.getItem(STORED) !== null)

export const bearer = (): string => access.value
export const canRenew = (): boolean => refreshable.value
export const storedRefreshToken = (): string | null => localStorage.getItem(STORED)

export function keep(token: Token): void {
  access.value = token.access_token
  localStorage.setItem(STORED, token.refresh_token)
  refreshable.value = true
}

export function forget(): void {
  access.value = ''
  localStorage.removeItem(STORED)
  refreshable.value = false
}

let underWay: Promise<void> | null = null

/** Change the refresh token for a new pair; forget both when the server refuses it. */
export function renew(): Promise<void> {
  underWay ??= alone(exchange).finally(() => {
    underWay = null
  })
  return underWay
}

async function alone(work: () => Promise<void>): Promise<void> {
  // Web Locks exist on https and localhost only; elsewhere one tab at a time is the best there is.
  if ('locks' in navigator) await navigator.locks.request('renew-token', work)
  else await work()
}

async function exchange(): Promise<void> {
  const refresh_token = storedRefreshToken()
  if (refresh_token === null) return forget()
  let response: Response
  try {
    response = await fetch('/api/v1/auth/refresh', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ refresh_token }),
    })
  } catch {
    return // Offline is no reason to log anybody out.
  }
  if (response.ok) keep((await response.json()) as Token)
  else if (response.status < 500 && response.status !== 429) forget()
}

// Logging out in one tab logs out all of them.
window.addEventListener('storage', (event) => {
  if (event.key !== STORED) return
  if (event.newValue === null) forget()
  else refreshable.value = true
})
