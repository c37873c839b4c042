import { reactive, ref, shallowRef, watch } from 'vue'

import { answer, http } from '@/api/client'
import { asProblem, type Problem } from '@/api/problem'
import type { Availability, Category, Programme } from '@/api/types'
import { daysFromNow } from '@/lib/format'
import { latest } from '@/lib/latest'
import type { LonLat } from '@/lib/pick'

/* The search for a free place. What was filled in last is kept on the device, except where one was. */

export interface Wish {
  people: number
  /** Days, both included. */
  from: string
  to: string
  /** Of the day, where it is one day only. */
  starts: string
  ends: string
  /** `all`, `map`, `me`, or the id of a town. */
  place: string
  radiusKm: number
  kind: Programme['kind'] | ''
  category: Category | ''
}

const KEPT = 'find'
const LEAD_DAYS = 7
/** More than anybody reads; the nearest of them. */
export const MOST_SITES = 50
/** The district lies well inside this. */
const EVERYWHERE_M = 60_000

export const wish = reactive<Wish>({ ...fresh(), ...remembered() })
/** Where this person is, once they have told. */
export const mine = shallowRef<LonLat | null>(null)
export const found = shallowRef<Availability | null>(null)
export const problem = shallowRef<Problem | null>(null)
export const finding = ref(false)
/** What `found` answers. */
export const asked = shallowRef<Wish | null>(null)

function fresh(): Wish {
  return {
    people: 20,
    from: daysFromNow(LEAD_DAYS),
    to: daysFromNow(LEAD_DAYS),
    starts: '08:00',
    ends: '18:00',
    place: 'all',
    radiusKm: 15,
    kind: '',
    category: '',
  }
}

function remembered(): Partial<Wish> {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? '{}') as Partial<Wish>
    if (kept.from && kept.to && kept.from >= daysFromNow(0)) return kept
    // Those days are over.
    return { ...kept, from: fresh().from, to: fresh().to }
  } catch {
    return {} // Whatever is there, it is not what was kept.
  }
}

watch(wish, (now) => {
  const place = now.place === 'me' || now.place === 'map' ? 'all' : now.place
  localStorage.setItem(KEPT, JSON.stringify({ ...now, place }))
})

const ask = latest()

/** Search around a point in WGS-84. */
export async function find([lon, lat]: LonLat): Promise<void> {
  const now = { ...wish }
  const oneDay = now.from === now.to
  const query = {
    near: `${lon.toFixed(6)},${lat.toFixed(6)}`,
    radius_m: now.place === 'all' ? EVERYWHERE_M : now.radiusKm * 1000,
    // The district's clock, wherever the reader's telephone thinks it is.
    from: oneDay ? `${now.from}T${now.starts}:00+08:00` : now.from,
    to: oneDay ? `${now.to}T${now.ends}:00+08:00` : now.to,
    limit: MOST_SITES,
    people: now.people,
    programme_kind: now.kind || undefined,
    category: now.category || undefined,
  }
  finding.value = true
  try {
    const got = await ask((signal) => answer(http.GET('/api/v1/availability', { params: { query }, signal })))
    if (!got) return
    found.value = got
    asked.value = now
    problem.value = null
  } catch (thrown) {
    problem.value = asProblem(thrown)
  }
  finding.value = false
}
