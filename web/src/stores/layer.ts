import { computed, ref, shallowRef, watch } from 'vue'

import { answer, http } from '@/api/client'
import { asProblem, type Problem } from '@/api/problem'
import type { Category, Round, SiteFeature } from '@/api/types'
import { calmly, latest } from '@/lib/latest'

/*
 * The sites of the map and of the list beside it.
 *
 * A district's sites come all at once. Where there are more than fit one answer, only those around
 * the view are loaded, again after each move, and where these are too many as well the map shows
 * rounds that the server counted.
 */

interface Box {
  west: number
  south: number
  east: number
  north: number
}
export interface View extends Box {
  zoom: number
  middle: [lon: number, lat: number]
}

/** More pins than this nobody can read, and a cheap telephone cannot draw. */
const MOST = 300
const CALM_MS = 200

/** What the map shows now; null until it has been drawn. */
export const view = shallowRef<View | null>(null)
/** The category shown on the map and in the list; null is all of them. */
export const category = ref<Category | null>(null)
/** Null until the first answer. */
export const features = shallowRef<SiteFeature[] | null>(null)
/** The server's rounds, where `features` are only some of the sites. */
export const rounds = shallowRef<Round[] | null>(null)
export const problem = shallowRef<Problem | null>(null)

/** What `features` are: those within a box, or everywhere; of a category, or of all. */
interface Asked {
  box: Box | null
  zoom: number
  of: Category | null
}
const known = shallowRef<Asked | null>(null)
const ask = latest()
const whenCalm = calmly(CALM_MS)

export const crowded = computed(() => rounds.value !== null)

/** How many there are of each category, where that is known. */
export const tally = computed(() => {
  if (!features.value || crowded.value || known.value?.of) return null
  const found: Partial<Record<Category, number>> = {}
  for (const { properties } of features.value) {
    found[properties.category] = (found[properties.category] ?? 0) + 1
  }
  return found
})

/** Follow the map. */
export function lookAt(seen: View): void {
  view.value = seen
  if (features.value !== null && !answers(seen)) whenCalm(() => void load())
}

watch(category, () => {
  if (known.value && !answers(view.value)) void load()
})

/** Whether what is known is all that belongs into a view. */
function answers(seen: View | null): boolean {
  const now = known.value
  if (!now || (now.of !== null && now.of !== category.value)) return false
  if (seen === null) return !crowded.value || now.of === category.value
  if (crowded.value && (now.of !== category.value || now.zoom !== Math.round(seen.zoom))) return false
  return now.box === null ? !crowded.value : contains(now.box, seen)
}

function contains(outer: Box, inner: Box): boolean {
  return (
    outer.west <= inner.west && outer.south <= inner.south && outer.east >= inner.east && outer.north >= inner.north
  )
}

/** Load what belongs into the view, or, before there is a map, as much as there is room for. */
export async function load(): Promise<void> {
  const seen = view.value
  // Whoever once had all of them in one answer needs no box.
  const all = known.value === null || (known.value.box === null && !crowded.value)
  const asked: Asked = {
    box: all || !seen ? null : around(seen),
    zoom: Math.round(seen?.zoom ?? 0),
    of: crowded.value || known.value?.of ? category.value : null,
  }
  try {
    const got = await ask((signal) => fetchLayer(asked, signal))
    if (!got) return
    known.value = asked
    features.value = got.features
    rounds.value = got.rounds
    problem.value = null
  } catch (thrown) {
    problem.value = asProblem(thrown)
    return
  }
  // The map may have been drawn, or moved, meanwhile.
  if (view.value && view.value !== seen && !answers(view.value)) await load()
}

async function fetchLayer(
  { box, zoom, of }: Asked,
  signal: AbortSignal,
): Promise<{ features: SiteFeature[]; rounds: Round[] | null }> {
  const filter = { ...(box ? { bbox: written(box) } : {}), ...(of ? { category: of } : {}) }
  const layer = await answer(
    http.GET('/api/v1/map/sites.geojson', { params: { query: { ...filter, limit: MOST } }, signal }),
  )
  // The client's types turn a pair of numbers into a list of them.
  const found = layer.features as SiteFeature[]
  if (!layer.truncated) return { features: found, rounds: null }
  const counted = await answer(
    // The server's zoom is that of tiles half as wide as the map's.
    http.GET('/api/v1/map/clusters.geojson', { params: { query: { ...filter, zoom: zoom + 1 } }, signal }),
  )
  return { features: found, rounds: counted.features as Round[] }
}

/**
 * The view and half of it on each side, on a grid: small moves ask for nothing, and whoever comes
 * back asks the same thing again, which the browser may still have.
 */
function around({ west, south, east, north }: View): Box {
  const step = 2 ** Math.ceil(Math.log2(Math.max(east - west, north - south) / 4))
  const margin = (high: number, low: number): number => (high - low) / 2
  const down = (value: number): number => Math.floor(value / step) * step
  const up = (value: number): number => Math.ceil(value / step) * step
  return {
    west: Math.max(-180, down(west - margin(east, west))),
    south: Math.max(-90, down(south - margin(north, south))),
    east: Math.min(180, up(east + margin(east, west))),
    north: Math.min(90, up(north + margin(north, south))),
  }
}

function written({ west, south, east, north }: Box): string {
  return [west, south, east, north].map((degrees) => degrees.toFixed(6)).join()
}
