/**
 * Make a caller that gives up the earlier question as soon as a later one is asked.
 *
 * It answers `null` for a question that was overtaken, whatever became of it.
 */
export function latest(): <T>(ask: (signal: AbortSignal) => Promise<T>) => Promise<T | null> {
  let current: AbortController | null = null
  return async (ask) => {
    current?.abort()
    const mine = (current = new AbortController())
    try {
      const got = await ask(mine.signal)
      return mine === current ? got : null
    } catch (thrown) {
      if (mine === current) throw thrown
      return null
    }
  }
}

/** Make a caller that waits until `ms` have passed without another call. */
export function calmly(ms: number): (act: () => void) => void {
  let waiting: ReturnType<typeof setTimeout> | undefined
  return (act) => {
    clearTimeout(waiting)
    waiting = setTimeout(act, ms)
  }
}
