const SMALL_BYTES = 2_000_000
/** The server keeps 1600 pixels; some more leave it room to choose. */
const MOST_PIXELS = 2400
const QUALITY = 0.9

/**
 * Make a photo smaller before it is sent: telephones take pictures of ten megabytes and more.
 *
 * Where the browser cannot, the file goes as it is, and the server says what it has against it.
 */
export async function smaller(file: File): Promise<Blob> {
  if (file.size <= SMALL_BYTES) return file
  try {
    const picture = await createImageBitmap(file, { imageOrientation: 'from-image' })
    const scale = Math.min(1, MOST_PIXELS / Math.max(picture.width, picture.height))
    const canvas = document.createElement('canvas')
    canvas.width = Math.round(picture.width * scale)
    canvas.height = Math.round(picture.height * scale)
    canvas.getContext('2d')?.drawImage(picture, 0, 0, canvas.width, canvas.height)
    picture.close()
    const made = await new Promise<Blob | null>((resolve) => {
      canvas.toBlob(resolve, 'image/jpeg', QUALITY)
    })
    return made && made.size < file.size ? made : file
  } catch {
    return file
  }
}
