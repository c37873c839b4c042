import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'

import { once } from '@/api/attempt'
import { asProblem, type Problem } from '@/api/problem'

export interface Act {
  sending: Ref<boolean>
  /** What went wrong the last time. */
  problem: ShallowRef<Problem | null>
  /** Do it, unless something is under way; tells whether it was done. */
  act: (work: (header: { 'Idempotency-Key': string }) => Promise<unknown>) => Promise<boolean>
}

/** Something that a button sends. */
export function useAct(): Act {
  const sending = ref(false)
  const problem = shallowRef<Problem | null>(null)
  const doOnce = once()

  async function act(work: (header: { 'Idempotency-Key': string }) => Promise<unknown>): Promise<boolean> {
    if (sending.value) return false
    sending.value = true
    problem.value = null
    try {
      await doOnce(work)
      return true
    } catch (thrown) {
      problem.value = asProblem(thrown)
      return false
    } finally {
      sending.value = false
    }
  }

  return { sending, problem, act }
}

/** The header that says which version was seen. */
export const ifMatch = (version: number): { 'If-Match': string } => ({ 'If-Match': `"${version}"` })
