import { computed, reactive, ref, shallowRef, watch } from 'vue'

import { answer, http } from '@/api/client'
import { asProblem, type Problem } from '@/api/problem'
import type { SiteKind, SiteListed } from '@/api/types'
import { calmly, latest } from '@/lib/latest'

import { category } from './layer'

/* The search for sites by words, kind and town. It outlives the page, so that one may come back. */

export const wanted = reactive({ words: '', kind: '' as SiteKind | '', town: '' })
/** Null until the first answer to what is wanted now. */
export const found = shallowRef<SiteListed[] | null>(null)
export const problem = shallowRef<Problem | null>(null)
const cursor = ref<string | null>(null)

export const searching = computed(() => wanted.words.trim() !== '' || wanted.kind !== '' || wanted.town !== '')
export const hasMore = computed(() => cursor.value !== null)

const PAGE = 50
const CALM_MS = 250
const ask = latest()
const whenCalm = calmly(CALM_MS)

export function clear(): void {
  Object.assign(wanted, { words: '', kind: '', town: '' })
  category.value = null
}

export async function search(): Promise<void> {
  const page = await asked(null)
  if (!page) return
  found.value = page.items
  cursor.value = page.next_cursor
}

export async function searchOn(): Promise<void> {
  const before = found.value ?? []
  const page = await asked(cursor.value)
  if (!page) return
  found.value = [...before, ...page.items]
  cursor.value = page.next_cursor
}

async function asked(after: string | null): Promise<{ items: SiteListed[]; next_cursor: string | null } | null> {
  const query = {
    q: wanted.words.trim() || undefined,
    kind: wanted.kind || undefined,
    town_id: wanted.town || undefined,
    category: category.value ?? undefined,
    cursor: after ?? undefined,
    limit: PAGE,
  }
  try {
    const page = await ask((signal) => answer(http.GET('/api/v1/sites', { params: { query }, signal })))
    problem.value = null
    return page
  } catch (thrown) {
    problem.value = asProblem(thrown)
    return null
  }
}

watch(
  () => [wanted.words.trim(), wanted.kind, wanted.town, category.value],
  () => {
    if (searching.value) return whenCalm(() => void search())
    // Whatever is still on its way is no longer wanted.
    void ask(() => Promise.resolve())
    whenCalm(() => undefined)
    found.value = null
    cursor.value = null
    problem.value = null
  },
)
