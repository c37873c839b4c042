/* In a file of its own, so that it is loaded when the first photo is tapped. */
import { showImagePreview } from 'vant'
import 'vant/es/image-preview/style'

export function enlarge(images: string[], startPosition: number): void {
  showImagePreview({ images, startPosition, closeable: true })
}
