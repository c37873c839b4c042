import createClient from 'openapi-fetch'

import { bearer, canRenew, renew } from './tokens'
import { Problem } from './problem'
import type { paths } from './schema'

/** Calls typed by the server's own OpenAPI document. */
export const http = createClient<paths>({ baseUrl: window.location.origin, fetch: send })

interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

/**
 * Wait for a call and return its body.
 *
 * @throws Problem for every answer that is not 2xx, and when no answer came.
 */
export async function answer<T>(call: Promise<Answer<T>>): Promise<T> {
  let got: Answer<T>
  try {
    got = await call
  } catch {
    throw new Problem(0)
  }
  if (!got.response.ok) {
    throw new Problem(got.response.status, isRecord(got.error) ? got.error : {})
  }
  return got.data as T
}

function isRecord(value: unknown): value is Record<string, never> {
  return typeof value === 'object' && value !== null
}

/** Send with the access token; on 401 renew it once and send again. */
async function send(request: Request): Promise<Response> {
  if (!bearer() && canRenew() && !isPublic(request)) await renew()
  const used = bearer()
  const response = await patiently(request, used)
  if (response.status !== 401 || !canRenew() || isPublic(request)) return response
  // Another call may have renewed the token while this one was under way.
  if (bearer() === used) await renew()
  return bearer() ? patiently(request, bearer()) : response
}

/** Map data and the log-in itself need no token, and must not wait for one. */
function isPublic(request: Request): boolean {
  return /^\/api\/v1\/(auth|map|config|demo)\b/.test(new URL(request.url).pathname)
}

const PAUSES_MS = [300, 1200]

/**
 * Send, and send again after a lost connection or a 503 where that is safe.
 *
 * A restart of the server drops the odd call. Reading is safe to repeat; so is a POST that carries
 * an Idempotency-Key, for which the server answers the same thing twice.
 */
async function patiently(request: Request, token: string): Promise<Response> {
  const repeatable = request.method === 'GET' || request.headers.has('Idempotency-Key')
  for (let attempt = 0; ; attempt++) {
    const pause = repeatable ? PAUSES_MS[attempt] : undefined
    try {
      const copy = request.clone()
      if (token) copy.headers.set('Authorization', `Bearer ${token}`)
      const response = await fetch(copy)
      if (response.status !== 503 || pause === undefined) return response
    } catch (lost) {
      // Whoever gave up asking wants no second attempt.
      if (pause === undefined || request.signal.aborted) throw lost
    }
    await new Promise((wake) => setTimeout(wake, pause))
  }
}
