import type { FeatureCollection } from 'geojson'
import type { LayerSpecification, StyleSpecification } from 'maplibre-gl'

import type { Config, Town } from '@/api/types'

const NOTHING: FeatureCollection = { type: 'FeatureCollection', features: [] }

/*
 * The families are drawn by the browser itself: the style names no `glyphs` address, so that the
 * map needs no font server and works without a network.
 */
const REGULAR = ['PingFang SC', 'Noto Sans CJK SC', 'Microsoft YaHei', 'sans-serif']

/** The whole look of the map. Colours repeat base.css: a canvas cannot read custom properties. */
export function mapStyle(boundary: FeatureCollection, towns: Town[], config: Config | null): StyleSpecification {
  const tiles = config?.tile_url
  return {
    version: 8,
    sources: {
      // The tolerance keeps the outline calm where it is small.
      district: { type: 'geojson', data: boundary, tolerance: 0.8 },
      towns: { type: 'geojson', data: townPoints(towns) },
      shown: { type: 'geojson', data: NOTHING },
      ...(tiles
        ? { tiles: { type: 'raster' as const, tiles: [tiles], tileSize: 256, maxzoom: 18 } }
        : {}),
    },
    layers: [
      { id: 'ground', type: 'background', paint: { 'background-color': '#efeae0' } },
      {
        id: 'district-ground',
        type: 'fill',
        source: 'district',
        paint: { 'fill-color': '#fffdf8' },
      },
      ...(tiles ? [{ id: 'tiles', type: 'raster' as const, source: 'tiles' }] : []),
      {
        id: 'district-outline',
        type: 'line',
        source: 'district',
        layout: { 'line-join': 'round' },
        paint: { 'line-color': '#b5404f', 'line-width': 1.6 },
      },
      {
        id: 'town-names',
        type: 'symbol',
        source: 'towns',
        layout: {
          'text-field': ['get', 'name'],
          'text-font': REGULAR,
          'text-size': ['interpolate', ['linear'], ['zoom'], 8, 11, 12, 15],
          'text-letter-spacing': 0.12,
          'symbol-sort-key': ['-', 0, ['get', 'sites']],
          'text-padding': 4,
          // A name steps aside for a pin.
          'text-variable-anchor-offset': [
            'center', [0, 0],
            'top', [0, 0.5],
            'left', [1.7, -1],
            'right', [-1.7, -1],
            'bottom', [0, -3.2],
          ],
        },
        paint: {
          'text-color': '#8d8273',
          'text-halo-color': '#fffdf8',
          'text-halo-width': 1.6,
          'text-opacity': ['interpolate', ['linear'], ['zoom'], 12, 1, 14, 0.45],
        },
      },
      {
        id: 'site-names',
        type: 'symbol',
        source: 'shown',
        minzoom: 10.5,
        filter: ['has', 'short_name'],
        layout: {
          'text-field': ['get', 'short_name'],
          'text-font': REGULAR,
          'text-size': 12.5,
          'text-max-width': 9,
          'text-anchor': 'top',
          'text-offset': [0, 0.5],
          'text-padding': 3,
        },
        paint: {
          'text-color': '#3b342d',
          'text-halo-color': '#fffdf8',
          'text-halo-width': 1.8,
        },
      },
    ],
  }
}

/** Keeps the room of the pins, which are not part of the canvas, free of names. */
export const PIN_ROOM: LayerSpecification = {
  id: 'pin-room',
  type: 'symbol',
  source: 'shown',
  layout: {
    'icon-image': 'room',
    'icon-anchor': ['case', ['has', 'short_name'], 'bottom', 'center'],
    'icon-allow-overlap': true,
  },
}
/** The picture of nothing that PIN_ROOM puts where a pin is. */
export const ROOM = { width: 34, height: 38, data: new Uint8Array(34 * 38 * 4) }

function townPoints(towns: Town[]): FeatureCollection {
  return {
    type: 'FeatureCollection',
    features: towns.map(({ name, sites, point }) => ({
      type: 'Feature',
      properties: { name, sites },
      geometry: { type: 'Point', coordinates: [point.lon, point.lat] },
    })),
  }
}
