import { ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue'

import { asProblem, type Problem } from '@/api/problem'

interface Page<T> {
  items: T[]
  next_cursor: string | null
}

export interface Pages<T> {
  /** All that was loaded so far; null before the first page. */
  items: ShallowRef<T[] | null>
  problem: ShallowRef<Problem | null>
  cursor: Ref<string | null>
  loading: Ref<boolean>
  /** Begin anew with the first page. */
  reload: () => Promise<void>
  more: () => Promise<void>
}

/**
 * Load a list page by page, and again from its start whenever what `depends` reads changes.
 *
 * An answer that was overtaken by a later question is dropped.
 */
export function usePages<T>(
  fetcher: (after: { cursor?: string }) => Promise<Page<T>>,
  depends: () => unknown,
): Pages<T> {
  const items = shallowRef<T[] | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const cursor = ref<string | null>(null)
  const loading = ref(false)
  let latest = 0

  async function load(after: string | null): Promise<void> {
    const mine = ++latest
    loading.value = true
    try {
      const page = await fetcher(after ? { cursor: after } : {})
      if (mine !== latest) return
      items.value = after ? [...(items.value ?? []), ...page.items] : page.items
      cursor.value = page.next_cursor
      problem.value = null
    } catch (thrown) {
      if (mine === latest) problem.value = asProblem(thrown)
    } finally {
      if (mine === latest) loading.value = false
    }
  }

  watch(
    depends,
    () => {
      items.value = null
      void load(null)
    },
    { immediate: true },
  )
  return { items, problem, cursor, loading, reload: () => load(null), more: () => load(cursor.value) }
}
