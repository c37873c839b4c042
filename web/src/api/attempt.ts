import { uuid } from '@/lib/uuid'

import { Problem } from './problem'

/**
 * Make a caller of something that must happen once: the Idempotency-Key stays the same until the
 * server has given a clear answer, so that tapping again after a lost connection is harmless.
 */
export function once(): <T>(act: (headers: { 'Idempotency-Key': string }) => Promise<T>) => Promise<T> {
  let key = uuid()
  return async (act) => {
    try {
      const done = await act({ 'Idempotency-Key': key })
      key = uuid()
      return done
    } catch (thrown) {
      const unclear = thrown instanceof Problem && (thrown.status === 0 || thrown.status >= 500)
      if (!unclear) key = uuid()
      throw thrown
    }
  }
}
