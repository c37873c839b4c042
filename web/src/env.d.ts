/// <reference types="vite/client" />

declare module '@vant/touch-emulator'

/** What WeChat puts into pages that it lends its own functions. */
interface Window {
  wx?: { openLocation?: (place: object) => void }
}
