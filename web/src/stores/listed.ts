import { computed } from 'vue'

import type { SiteFeature, SiteListed } from '@/api/types'

import { category, features } from './layer'
import { found, searching } from './search'

/* What the list and the map show: what was searched for, or else what lies in the view. */

const inCategory = computed(() => {
  if (!features.value || category.value === null) return features.value
  return features.value.filter(({ properties }) => properties.category === category.value)
})

const NEVER = '9999'
/** The sites that are free soonest come first; what was searched for keeps the server's order. */
export const listed = computed(() => {
  if (searching.value) return found.value
  const sites = inCategory.value?.map(({ properties }) => properties)
  return sites?.sort((a, b) => (a.next_free_at ?? NEVER).localeCompare(b.next_free_at ?? NEVER)) ?? null
})

export const pinned = computed(() =>
  searching.value ? (found.value ?? []).map(featureOf) : (inCategory.value ?? []),
)

/** A site of a list, or one in full, as the map knows it. */
export function featureOf(site: SiteListed): SiteFeature {
  const { lon, lat } = site.point
  return {
    type: 'Feature',
    id: site.id,
    geometry: { type: 'Point', coordinates: [lon, lat] },
    properties: site,
  }
}
