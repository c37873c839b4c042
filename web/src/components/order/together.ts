import { ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue'
import { useRouter } from 'vue-router'

import { once } from '@/api/attempt'
import { answer, http } from '@/api/client'
import { asProblem, type Problem } from '@/api/problem'
import type { GroupItem, RouteIn, SeriesIn } from '@/api/types'

type Wanted = RouteIn | SeriesIn

export interface Together {
  /** What would become of each part, or what became of it; null until asked, or asked anew. */
  items: ShallowRef<GroupItem[] | null>
  problem: ShallowRef<Problem | null>
  working: Ref<boolean>
  preview: () => Promise<void>
  order: () => Promise<void>
}

/** Parts that can be had now. */
export const possible = (items: GroupItem[]): GroupItem[] =>
  items.filter(({ status }) => status !== 'skipped')

/**
 * Order a route or a series in two steps: see what can be had, then take that.
 *
 * All or nothing where everything can be had; else what can. Whatever changes in between is told.
 */
export function useTogether(wanted: () => Wanted): Together {
  const router = useRouter()
  const items = shallowRef<GroupItem[] | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const working = ref(false)
  const orderOnce = once()

  watch(
    () => JSON.stringify(wanted()),
    () => {
      items.value = problem.value = null
    },
  )

  async function trying(act: () => Promise<void>): Promise<void> {
    if (working.value) return
    working.value = true
    problem.value = null
    try {
      await act()
    } catch (thrown) {
      problem.value = asProblem(thrown)
      items.value = problem.value.items.length > 0 ? problem.value.items : null
    } finally {
      working.value = false
    }
  }

  const preview = (): Promise<void> =>
    trying(async () => {
      const body = { ...wanted(), on_conflict: 'skip' as const }
      const query = { dry_run: true }
      const report = await answer(http.POST('/api/v1/booking-groups', { body, params: { query } }))
      items.value = report.items
    })

  const order = (): Promise<void> =>
    trying(async () => {
      const whole = items.value?.every(({ status }) => status !== 'skipped')
      const body = { ...wanted(), on_conflict: whole ? ('fail' as const) : ('skip' as const) }
      const report = await orderOnce((header) =>
        answer(http.POST('/api/v1/booking-groups', { body, params: { header } })),
      )
      await router.replace({ name: 'group', params: { group: report.id } })
    })

  return { items, problem, working, preview, order }
}
