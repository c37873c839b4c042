/* Which map apps a device has, the likeliest first. */

export type App = 'amap' | 'baidu' | 'tencent' | 'apple' | 'geo'
export type Platform = 'wechat' | 'ios' | 'android' | 'phone' | 'desk'

export const APPS: Record<App, { name: string; en: string }> = {
  amap: { name: '高德地图', en: 'AMap' },
  baidu: { name: '百度地图', en: 'Baidu Maps' },
  tencent: { name: '腾讯地图', en: 'Tencent Maps' },
  apple: { name: '苹果地图', en: 'Apple Maps' },
  geo: { name: '手机自带地图', en: 'Any map app' },
}

// WeChat opens no other app; Tencent's page is the one it shows whole.
const FITTING: Record<Platform, App[]> = {
  wechat: ['tencent', 'amap', 'baidu'],
  ios: ['apple', 'amap', 'baidu', 'tencent'],
  android: ['geo', 'amap', 'baidu', 'tencent'],
  phone: ['amap', 'baidu', 'tencent'],
  desk: ['amap', 'baidu', 'tencent', 'apple'],
}
const KEPT = 'map-app'

export function platform(): Platform {
  const { userAgent, maxTouchPoints } = navigator
  if (/MicroMessenger/i.test(userAgent)) return 'wechat'
  // An iPad calls itself a Mac, but has no Mac's screen.
  if (/iPhone|iPad|iPod/.test(userAgent)) return 'ios'
  if (/Macintosh/.test(userAgent) && maxTouchPoints > 1) return 'ios'
  // HarmonyOS says that it is like Android, but knows no geo: links.
  if (/Android/.test(userAgent) && !/OpenHarmony|ArkWeb/.test(userAgent)) return 'android'
  return /Mobile|OpenHarmony/.test(userAgent) ? 'phone' : 'desk'
}

/** The app that was taken last; where storage is closed, none. */
export function lastApp(): App | null {
  try {
    const kept = localStorage.getItem(KEPT)
    return kept !== null && kept in APPS ? (kept as App) : null
  } catch {
    return null
  }
}

export function keepApp(app: App): void {
  try {
    localStorage.setItem(KEPT, app)
  } catch {
    // Asked anew the next time.
  }
}

/** The apps of a platform, the one taken last at the head. */
export function appsOf(on: Platform): App[] {
  const last = lastApp()
  const fitting = FITTING[on]
  return last !== null && fitting.includes(last)
    ? [last, ...fitting.filter((app) => app !== last)]
    : fitting
}
