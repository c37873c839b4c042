let known: boolean | undefined

/** Whether this browser can draw the map: MapLibre needs WebGL 2. */
export function hasWebgl(): boolean {
  known ??= document.createElement('canvas').getContext('webgl2') !== null
  return known
}
