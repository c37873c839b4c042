import { ref, shallowRef } from 'vue'

import { answer, http } from '@/api/client'
import type { Category, Config, SiteFeature } from '@/api/types'

/* What the whole district shares: public settings and the sites on the map. */

export const config = shallowRef<Config | null>(null)
export const features = shallowRef<SiteFeature[] | null>(null)
/** The category shown on the map and in the list; null is all of them. */
export const category = ref<Category | null>(null)

export async function loadConfig(): Promise<Config> {
  config.value ??= await answer(http.GET('/api/v1/config'))
  return config.value
}

export async function loadSites(): Promise<void> {
  const collection = await answer(http.GET('/api/v1/map/sites.geojson'))
  // The client's types turn a pair of numbers into a list of them.
  features.value = collection.features as SiteFeature[]
}
