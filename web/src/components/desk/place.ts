import type { Point } from '@/api/types'

const EARTH_M = 6_371_000
const DIRECTIONS = ['北', '东北', '东', '东南', '南', '西南', '西', '西北']

/** How far and in which direction one point lies from another, both in one CRS: `东北 320 米`. */
export function bearing(from: Point, to: Point): { metres: number; direction: string } {
  const rad = Math.PI / 180
  const north = (to.lat - from.lat) * rad * EARTH_M
  const east = (to.lon - from.lon) * rad * EARTH_M * Math.cos(from.lat * rad)
  const eighth = Math.round(Math.atan2(east, north) / (Math.PI / 4))
  return { metres: Math.hypot(north, east), direction: DIRECTIONS[(eighth + 8) % 8] ?? '' }
}

/** The two numbers of what was typed or pasted, such as `118.1, 36.5`; null if there are not two. */
export function pair(typed: string): [string, string] | null {
  const found = /^\s*(-?\d+(?:\.\d+)?)\s*[,，;\s]\s*(-?\d+(?:\.\d+)?)\s*$/.exec(typed)
  return found?.[1] && found[2] ? [found[1], found[2]] : null
}

/** A number as it was typed; NaN, which the server refuses by name, where there is none. */
export function asNumber(typed: string): number {
  return typed.trim() === '' ? NaN : Number(typed)
}
