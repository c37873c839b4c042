import Supercluster from 'supercluster'

import type { Category, Round, SiteFeature, SiteProperties } from '@/api/types'
import { CATEGORY_CODES } from '@/lib/labels'

export type Tally = Partial<Record<Category, number>>
export type Box = [west: number, south: number, east: number, north: number]

/** What stands in one place of the map: a site, or several that would lie on one another. */
export interface Spot {
  key: string
  at: [lon: number, lat: number]
  site?: SiteProperties
  round?: { total: number; tally: Tally; opening: () => Opening }
}

/** What comes of tapping a round: it falls apart at a zoom or in a box, or was one site only. */
export type Opening = { zoom: number } | { box: Box } | { site: string }

/** Finds what to show in a window of the map. */
export interface Spots {
  within(box: Box, zoom: number): Spot[]
}

const MAX_ZOOM = 13

/** Sites that are all known here, in rounds where they would lie on one another. */
export class OwnSpots implements Spots {
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
        // Just past the zoom at which it falls apart.
        const opening = (): Opening => ({ zoom: this.index.getClusterExpansionZoom(cluster) + 0.1 })
        return { key: keyOf(at, total, tally), at, round: { total, tally, opening } }
      })
      .concat(this.alone)
  }
}

/** What the server counted, for where the sites are too many to be known here. */
export class CountedSpots implements Spots {
  private readonly spots: Spot[]

  /** @param features some of the sites: a round of one that is among them becomes its pin. */
  constructor(rounds: Round[], features: SiteFeature[], selected: string | null) {
    const known = new Map(features.map((feature) => [feature.properties.id, feature]))
    const alone = selected === null ? undefined : known.get(selected)
    this.spots = rounds
      .filter(({ properties }) => selected === null || properties.site_id !== selected)
      .map(({ geometry, bbox, properties: { site_id: site, count } }): Spot => {
        const feature = site === null ? undefined : known.get(site)
        if (feature) return spotOf(feature.geometry.coordinates, feature.properties)
        const opening = (): Opening => (site === null ? { box: bbox } : { site })
        const at = geometry.coordinates
        return { key: keyOf(at, count, {}), at, round: { total: count, tally: {}, opening } }
      })
      .concat(alone ? [spotOf(alone.geometry.coordinates, alone.properties)] : [])
  }

  within([west, south, east, north]: Box): Spot[] {
    return this.spots.filter(({ at: [lon, lat] }) => lon >= west && lon <= east && lat >= south && lat <= north)
  }
}

/** Equal rounds keep their place on the page, whatever index they come from. */
function keyOf(at: Spot['at'], total: number, tally: Tally): string {
  return ['round', ...at, total, JSON.stringify(tally)].join()
}

function spotOf(at: Spot['at'], site: SiteProperties): Spot {
  // Whatever is drawn of a site is in its key, so that its pin is drawn anew when that changes.
  return { key: [site.id, ...at, site.category, site.name].join(), at, site }
}
