import { onBeforeUnmount, watch } from 'vue'

const SOON_MS = 2000
const LATE_MS = 30_000
const SLOWER = 1.5

/** Ask again while something is under way: soon at first, then ever less often, and never while nobody looks. */
export function usePolling(underWay: () => boolean, ask: () => Promise<void>): void {
  let pause = SOON_MS
  let timer: ReturnType<typeof setTimeout> | undefined
  let left = false

  function wait(): void {
    clearTimeout(timer)
    if (underWay() && !left && !document.hidden) timer = setTimeout(() => void again(), pause)
  }

  async function again(): Promise<void> {
    await ask()
    pause = Math.min(LATE_MS, pause * SLOWER)
    wait()
  }

  function begin(): void {
    pause = SOON_MS
    wait()
  }

  watch(underWay, begin, { immediate: true })
  document.addEventListener('visibilitychange', begin)
  onBeforeUnmount(() => {
    left = true
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', begin)
  })
}
