import { computed, nextTick, reactive, ref, shallowRef, watch, type ComputedRef, type Ref, type ShallowRef } from 'vue'

import { asProblem, type Problem } from '@/api/problem'

const OVERTAKEN = 412

const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T
const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)

export interface Edit<T> {
  draft: T
  /** The fields that differ from what is kept. */
  changed: ComputedRef<(keyof T)[]>
  sending: Ref<boolean>
  problem: ShallowRef<Problem | null>
  /** What somebody else has changed meanwhile; empty until that stood in the way. */
  rivals: ShallowRef<(keyof T)[]>
  /** What is kept now. */
  kept: ShallowRef<T>
  save: () => Promise<boolean>
  take: (field: keyof T) => void
}

/**
 * Edit something that others may edit as well.
 *
 * Whatever was typed stays until it is saved: where the server refuses because somebody was quicker,
 * the fields that were not touched take their new values, the others keep what was typed, and
 * `rivals` names what is different now.
 *
 * @param now what is kept; it is looked at again whenever it changes
 * @param send sends the changes, or all of it, to the version that `now` is of
 * @param reread makes `now` fresh
 */
export function useEdit<T extends object>(
  now: () => T,
  send: (changes: Partial<T>, all: T) => Promise<unknown>,
  reread: () => Promise<unknown>,
): Edit<T> {
  const fields = Object.keys(now()) as (keyof T)[]
  const kept = shallowRef(copy(now())) as ShallowRef<T>
  const draft = reactive(copy(now())) as T
  const rivals = shallowRef<(keyof T)[]>([])
  const sending = ref(false)
  const problem = shallowRef<Problem | null>(null)
  const changed = computed(() => fields.filter((field) => !same(draft[field], kept.value[field])))

  function follow(fresh: T): void {
    const before = kept.value
    for (const field of fields) {
      if (same(draft[field], before[field])) draft[field] = copy(fresh[field])
    }
    kept.value = copy(fresh)
  }
  watch(now, follow)

  async function save(): Promise<boolean> {
    if (sending.value) return false
    sending.value = true
    problem.value = null
    rivals.value = []
    const sent = copy(draft)
    const changes = Object.fromEntries(changed.value.map((field) => [field, sent[field]])) as Partial<T>
    try {
      await send(changes, sent)
      // Whatever the server made of it takes the place of what was typed.
      kept.value = sent
      await freshen()
      return true
    } catch (thrown) {
      problem.value = asProblem(thrown)
      if (problem.value.status === OVERTAKEN) await yieldTo(kept.value)
      return false
    } finally {
      sending.value = false
    }
  }

  async function freshen(): Promise<void> {
    await reread()
    await nextTick() // What comes from a parent is here only then.
    follow(now())
  }

  async function yieldTo(before: T): Promise<void> {
    await freshen()
    rivals.value = fields.filter((field) => !same(kept.value[field], before[field]))
  }

  function take(field: keyof T): void {
    draft[field] = copy(kept.value[field])
  }

  return { draft, changed, sending, problem, rivals, kept, save, take }
}
