import Supercluster from 'supercluster'

import type { Category, SiteFeature, SiteProperties } from '@/api/types'
import { CATEGORY_CODES } from '@/lib/labels'

export type Tally = Partial<Record<Category, number>>
export type Box = [west: number, south: number, east: number, north: number]

/** What stands in one place of the map: a site, or several that would lie on one another. */
export interface Spot {
  key: string
  at: [lon: number, lat: number]
  site?: SiteProperties
  round?: { cluster: number; total: number; tally: Tally }
}

const MAX_ZOOM = 13

/** Finds what to show in a window of the map; the number of sites does not matter. */
export class Spots {
  private readonly index: Supercluster<SiteProperties, Tally>
  private readonly alone: Spot[]

  /**
   * @param selected never disappears in a round.
   * @param radius of a round, in pixels: what a finger, or a mouse, can tell apart.
   */
  constructor(features: SiteFeature[], selected: string | null, radius: number) {
    this.index = new Supercluster({
      radius,
      maxZoom: MAX_ZOOM,
      map: ({ category }) => ({ [category]: 1 }),
      reduce: (total, more) => {
        for (const code of CATEGORY_CODES) {
          const sum = (total[code] ?? 0) + (more[code] ?? 0)
          if (sum > 0) total[code] = sum
        }
      },
    })
    this.index.load(features.filter(({ properties }) => properties.id !== selected))
    this.alone = features
      .filter(({ properties }) => properties.id === selected)
      .map(({ geometry, properties }) => spotOf(geometry.coordinates, properties))
  }

  within(box: Box, zoom: number): Spot[] {
    // Rounding keeps the real distance of two spots between 0.7 and 1.4 of the radius.
    const found = this.index.getClusters(box, Math.round(zoom))
    return found
      .map(({ geometry, properties }): Spot => {
        const at = geometry.coordinates as Spot['at']
        if (!('cluster_id' in properties)) return spotOf(at, properties)
        const { cluster_id: cluster, point_count: total, ...tally } = properties
        return { key: `round-${cluster}`, at, round: { cluster, total, tally } }
      })
      .concat(this.alone)
  }

  /** The zoom at which a round falls apart. */
  opensAt(cluster: number): number {
    return this.index.getClusterExpansionZoom(cluster)
  }
}

function spotOf(at: Spot['at'], site: SiteProperties): Spot {
  return { key: site.id, at, site }
}
