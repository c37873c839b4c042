import { answer } from '@/api/client'

/** Save what a call answers as a file; the address alone would not say who asks. */
export async function save(call: Promise<{ response: Response }>, name: string): Promise<void> {
  const content = await answer(call as Promise<{ data?: Blob; response: Response }>)
  const address = URL.createObjectURL(content as Blob)
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(address), 60_000)
}
