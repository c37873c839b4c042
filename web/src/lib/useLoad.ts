import { ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue'

import { asProblem, type Problem } from '@/api/problem'

export interface Load<T> {
  data: ShallowRef<T | null>
  problem: ShallowRef<Problem | null>
  loading: Ref<boolean>
  reload: () => Promise<void>
}

/**
 * Load now, and again whenever what `depends` reads changes.
 *
 * Old data stays in view while new data is on its way, and an answer that was overtaken by a
 * later question is dropped.
 */
export function useLoad<T>(fetcher: () => Promise<T>, depends?: () => unknown): Load<T> {
  const data = shallowRef<T | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const loading = ref(false)
  let latest = 0

  async function reload(): Promise<void> {
    const mine = ++latest
    loading.value = true
    try {
      const got = await fetcher()
      if (mine !== latest) return
      data.value = got
      problem.value = null
    } catch (thrown) {
      if (mine === latest) problem.value = asProblem(thrown)
    } finally {
      if (mine === latest) loading.value = false
    }
  }

  if (depends) {
    watch(depends, () => {
      data.value = null
      void reload()
    })
  }
  void reload()
  return { data, problem, loading, reload }
}
