import type { FeatureCollection, Point } from 'geojson'

import type { Sector } from '@/api/types'

/** A branch that has no free place within reach, as the server tells it. */
export interface Unreached {
  id: string
  code: string
  name: string
  town: string | null
  sector: Sector | null
  /** Whose point it stands at: its own or its town's; null where there is neither. */
  placed: 'own' | 'town' | null
}
export type UnreachedPlaces = FeatureCollection<Point | null, Unreached>
