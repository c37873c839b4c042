import { Marker, type Map as LibreMap } from 'maplibre-gl'

import type { Round, SiteFeature, SiteProperties } from '@/api/types'
import { CATEGORIES, CATEGORY_CODES } from '@/lib/labels'

import { CountedSpots, OwnSpots, type Spot, type Spots } from './spots'

// Around what comes out of a round; sites in one point do not fall apart at any zoom.
const ROUND_PADDING = 80
const ROUND_MAX_ZOOM = 16

/**
 * The pins of the sites: real buttons, so that a keyboard and a screen reader can use the map.
 *
 * Only what is in view is in the page.
 */
export class Pins {
  private selected: string | null = null
  private spots: Spots
  private readonly markers = new Map<string, { marker: Marker; spot: Spot }>()

  constructor(
    private readonly map: LibreMap,
    private readonly onSelect: (id: string) => void,
    private readonly onDrawn: (spots: Spot[]) => void,
    private readonly radius: number,
  ) {
    this.spots = new OwnSpots([], null, radius)
  }

  /** Show sites, or the server's rounds where the sites are only some of them. */
  show(features: SiteFeature[], rounds: Round[] | null, selected: string | null): void {
    // The selected pin looks different.
    const turned = selected === this.selected ? [] : [this.selected, selected]
    for (const [key, { spot }] of this.markers) {
      if (spot.site && turned.includes(spot.site.id)) this.remove(key)
    }
    this.selected = selected
    this.spots = rounds
      ? new CountedSpots(rounds, features, selected)
      : new OwnSpots(features, selected, this.radius)
    this.draw()
  }

  draw(): void {
    const bounds = this.map.getBounds()
    const spots = this.spots.within(
      [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()],
      this.map.getZoom(),
    )
    const wanted = new Set(spots.map(({ key }) => key))
    for (const key of this.markers.keys()) if (!wanted.has(key)) this.remove(key)
    for (const spot of spots) {
      const drawn = this.markers.get(spot.key)
      if (drawn) drawn.spot = spot
      else this.add(spot)
    }
    this.onDrawn(spots)
  }

  private remove(key: string): void {
    this.markers.get(key)?.marker.remove()
    this.markers.delete(key)
  }

  private add(spot: Spot): void {
    const { key, at, site, round } = spot
    const element = document.createElement('button')
    element.type = 'button'
    if (site) drawPin(element, site, site.id === this.selected)
    else if (round) drawRound(element, round)
    element.addEventListener('click', (event) => {
      event.stopPropagation()
      this.tap(this.markers.get(key)?.spot ?? spot)
    })
    const marker = new Marker({ element, anchor: site ? 'bottom' : 'center' }).setLngLat(at).addTo(this.map)
    this.markers.set(key, { marker, spot })
  }

  private tap({ at, site, round }: Spot): void {
    if (site) return this.onSelect(site.id)
    const opening = round?.opening()
    if (!opening) return
    if ('site' in opening) this.onSelect(opening.site)
    else if ('zoom' in opening) this.map.easeTo({ center: at, zoom: opening.zoom })
    else this.map.fitBounds(opening.box, { padding: ROUND_PADDING, maxZoom: ROUND_MAX_ZOOM })
  }
}

function drawPin(element: HTMLElement, { name, category }: SiteProperties, current: boolean): void {
  element.className = current ? 'site-pin current' : 'site-pin'
  element.setAttribute('aria-label', `${name}，${CATEGORIES[category].name}`)
  element.setAttribute('aria-pressed', String(current))
  element.style.setProperty('--tone', `var(--${category})`)
  element.append(label(CATEGORIES[category].glyph))
}

/** A ring whose arcs show the categories inside. */
function drawRound(element: HTMLElement, { total, tally }: NonNullable<Spot['round']>): void {
  element.className = 'site-round'
  element.setAttribute('aria-label', total === 1 ? '1 个阵地' : `${total} 个阵地，点按放大`)
  let turned = 0
  const arcs = CATEGORY_CODES.flatMap((code) => {
    const share = (tally[code] ?? 0) / total
    if (share === 0) return []
    const from = turned
    turned += share
    return [`var(--${code}) ${from}turn ${turned}turn`]
  })
  const ring = arcs.length > 0 ? `conic-gradient(${arcs.join(', ')})` : 'var(--ink-2)'
  element.style.setProperty('--ring', ring)
  element.append(label(String(total)))
}

function label(text: string): HTMLElement {
  const element = document.createElement('span')
  element.textContent = text
  return element
}
