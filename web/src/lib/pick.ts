import { ref } from 'vue'

/* Picking a point on the map: somebody asks for it, and the page with the map lets people answer. */

export type LonLat = [lon: number, lat: number]

export const picking = ref(false)
let answer: ((at: LonLat | null) => void) | null = null

/** Let a point be picked; null when whoever was asked thinks better of it. */
export function pickOnMap(): Promise<LonLat | null> {
  picked(null) // of an earlier question
  picking.value = true
  return new Promise((resolve) => {
    answer = resolve
  })
}

export function picked(at: LonLat | null): void {
  picking.value = false
  answer?.(at)
  answer = null
}
