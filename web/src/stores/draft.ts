import { reactive } from 'vue'

import type { Purpose } from '@/api/types'

/*
 * What has been filled in of an order. It outlives the page, because logging in and taking an
 * alternative at another site both leave it and come back.
 */
export const draft = reactive({
  people: 20,
  purpose: 'theme_party_day' as Purpose,
  contactName: '',
  contactPhone: '',
  note: '',
})
