import { ref, watch } from 'vue'

import { answer, http } from '@/api/client'
import type { Scope, Status } from '@/api/types'

import { isManager, me } from './session'

/* The red numbers on the tabs. */

export const unread = ref(0)
export const waiting = ref(0)

// More than a badge can show.
const WAITING: { scope: Scope; status: Status[]; limit: number } = {
  scope: 'site',
  status: ['pending'],
  limit: 100,
}
const EVERY_MS = 60_000

export async function refreshCounts(): Promise<void> {
  if (!me.value || document.hidden) return
  try {
    const notices = await answer(http.GET('/api/v1/notifications', { params: { query: { limit: 1 } } }))
    unread.value = notices.unread
    if (!isManager.value) return
    const page = await answer(http.GET('/api/v1/bookings', { params: { query: WAITING } }))
    waiting.value = page.items.length
  } catch {
    // A badge that is a minute old does no harm; the pages themselves report what is wrong.
  }
}

watch(me, () => {
  unread.value = 0
  waiting.value = 0
  void refreshCounts()
})
document.addEventListener('visibilitychange', () => void refreshCounts())
setInterval(() => void refreshCounts(), EVERY_MS)
