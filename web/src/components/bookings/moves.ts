import { answer, http } from '@/api/client'
import type { Booking } from '@/api/types'
import type { Move } from '@/lib/labels'

/** What a person adds to a move; which of them counts depends on the move. */
export interface MoveInput {
  reason?: string
  people?: number
}

type Header = { 'Idempotency-Key': string }

/** Make a move; the answer is the order as it is afterwards. */
export function perform(booking: string, move: Move, input: MoveInput, header: Header): Promise<Booking> {
  const params = { path: { booking_id: booking }, header }
  const reason = input.reason || null
  const people_attended = input.people ?? null
  switch (move) {
    case 'approve':
      return answer(http.POST('/api/v1/bookings/{booking_id}/approve', { params, body: {} }))
    case 'reject':
      return answer(http.POST('/api/v1/bookings/{booking_id}/reject', { params, body: { reason: reason ?? '' } }))
    case 'cancel':
      return answer(http.POST('/api/v1/bookings/{booking_id}/cancel', { params, body: { reason } }))
    case 'arrive':
      return answer(http.POST('/api/v1/bookings/{booking_id}/arrive', { params, body: { people_attended } }))
    case 'complete':
      return answer(http.POST('/api/v1/bookings/{booking_id}/complete', { params, body: { people_attended } }))
    case 'no-show':
      return answer(http.POST('/api/v1/bookings/{booking_id}/no-show', { params, body: { reason } }))
  }
}
