import { Marker, type Map as LibreMap } from 'maplibre-gl'

import type { SiteFeature, SiteProperties } from '@/api/types'
import { CATEGORIES, CATEGORY_CODES } from '@/lib/labels'

import { Spots, type Spot } from './spots'

/**
 * The pins of the sites: real buttons, so that a keyboard and a screen reader can use the map.
 *
 * Only what is in view is in the page.
 */
export class Pins {
  private features: SiteFeature[] = []
  private selected: string | null = null
  private spots: Spots
  private readonly markers = new Map<string, Marker>()

  constructor(
    private readonly map: LibreMap,
    private readonly onSelect: (id: string) => void,
    private readonly onDrawn: (spots: Spot[]) => void,
    private readonly radius: number,
  ) {
    this.spots = new Spots([], null, radius)
  }

  show(features: SiteFeature[], selected: string | null): void {
    // Rounds are numbered anew by each index, so that their markers cannot be kept.
    if (features !== this.features || selected !== this.selected) this.clear()
    this.features = features
    this.selected = selected
    this.spots = new Spots(features, selected, this.radius)
    this.draw()
  }

  draw(): void {
    const bounds = this.map.getBounds()
    const spots = this.spots.within(
      [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()],
      this.map.getZoom(),
    )
    const wanted = new Set(spots.map(({ key }) => key))
    for (const [key, marker] of this.markers) {
      if (wanted.has(key)) continue
      marker.remove()
      this.markers.delete(key)
    }
    for (const spot of spots) {
      if (!this.markers.has(spot.key)) this.markers.set(spot.key, this.add(spot))
    }
    this.onDrawn(spots)
  }

  private clear(): void {
    for (const marker of this.markers.values()) marker.remove()
    this.markers.clear()
  }

  private add({ at, site, round }: Spot): Marker {
    const element = document.createElement('button')
    element.type = 'button'
    if (site) drawPin(element, site, site.id === this.selected)
    else if (round) drawRound(element, round)
    element.addEventListener('click', (event) => {
      event.stopPropagation()
      if (site) this.onSelect(site.id)
      else if (round) this.map.easeTo({ center: at, zoom: this.spots.opensAt(round.cluster) + 0.1 })
    })
    return new Marker({ element, anchor: site ? 'bottom' : 'center' }).setLngLat(at).addTo(this.map)
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
  element.setAttribute('aria-label', `${total} 个阵地，点按放大`)
  let turned = 0
  const arcs = CATEGORY_CODES.flatMap((code) => {
    const share = (tally[code] ?? 0) / total
    if (share === 0) return []
    const from = turned
    turned += share
    return [`var(--${code}) ${from}turn ${turned}turn`]
  })
  element.style.setProperty('--ring', `conic-gradient(${arcs.join(', ')})`)
  element.append(label(String(total)))
}

function label(text: string): HTMLElement {
  const element = document.createElement('span')
  element.textContent = text
  return element
}
