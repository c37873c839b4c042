import { shallowRef } from 'vue'

import { answer, http } from '@/api/client'
import type { Config } from '@/api/types'

/* What the whole district shares: its public settings. */

export const config = shallowRef<Config | null>(null)

export async function loadConfig(): Promise<Config> {
  config.value ??= await answer(http.GET('/api/v1/config'))
  return config.value
}
