import type { Feature, Polygon } from 'geojson'

import type { LonLat } from './pick'

const EARTH_M = 6_371_008.8
const CORNERS = 72
const DEGREE = Math.PI / 180

/** The points so many metres around one (WGS-84), as on a sphere: right to half a percent. */
export function circle([lon, lat]: LonLat, radius_m: number): Feature<Polygon> {
  const angle = radius_m / EARTH_M
  const [sin, cos] = [Math.sin(lat * DEGREE), Math.cos(lat * DEGREE)]
  const corners = Array.from({ length: CORNERS + 1 }, (_, nth) => {
    const bearing = ((nth % CORNERS) / CORNERS) * 2 * Math.PI
    const north = Math.asin(sin * Math.cos(angle) + cos * Math.sin(angle) * Math.cos(bearing))
    const east = Math.atan2(Math.sin(bearing) * Math.sin(angle) * cos, Math.cos(angle) - sin * Math.sin(north))
    return [lon + east / DEGREE, north / DEGREE]
  })
  return { type: 'Feature', properties: {}, geometry: { type: 'Polygon', coordinates: [corners] } }
}
