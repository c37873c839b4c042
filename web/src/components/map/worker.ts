import { setWorkerUrl } from 'maplibre-gl'
// MapLibre looks for its worker beside its own file, where a bundler has not put it.
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url'

setWorkerUrl(workerUrl)
