import type { LonLat } from './pick'

const PATIENCE_MS = 10_000
const FRESH_MS = 60_000

/**
 * Where this device is, in WGS-84; the browser asks its owner first.
 *
 * @throws Error when it cannot or may not be known; the message is for people.
 */
export function whereabouts(): Promise<LonLat> {
  return new Promise((resolve, reject) => {
    // Browsers have it on https and on the machine itself only.
    if (!window.isSecureContext || !('geolocation' in navigator)) {
      reject(new Error('这个浏览器不能定位'))
      return
    }
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve([coords.longitude, coords.latitude]),
      ({ code, PERMISSION_DENIED }) =>
        reject(new Error(code === PERMISSION_DENIED ? '没有得到定位许可' : '没有取到位置，请稍后再试')),
      { timeout: PATIENCE_MS, maximumAge: FRESH_MS },
    )
  })
}
