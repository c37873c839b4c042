import { readFileSync } from 'node:fs'
import { fileURLToPath, URL } from 'node:url'

import { VantResolver } from '@vant/auto-import-resolver'
import vue from '@vitejs/plugin-vue'
import Components from 'unplugin-vue-components/vite'
import { defineConfig, type Plugin } from 'vite'

/**
 * Serve Vant's icon font as a file of our own.
 *
 * Vant's stylesheet carries the font as a data: address, which a strict `font-src 'self'` refuses,
 * and names an outside host as the fallback; these pages ask nothing of outside hosts.
 */
function ownIconFont(): Plugin {
  const source = /src:url\(data:font\/woff2;[^,]*,([^)]+)\)[^}]*?format\("woff"\)/
  return {
    name: 'own-icon-font',
    enforce: 'pre',
    apply: 'build',
    transform(css, id) {
      if (!id.endsWith('vant/es/icon/index.css')) return null
      const found = source.exec(css)
      if (!found?.[1]) throw new Error('the icon font is not where it was in Vant: see vite.config.ts')
      const font = this.emitFile({
        type: 'asset',
        name: 'icons.woff2',
        source: Buffer.from(found[1], 'base64'),
      })
      return css.replace(source, `src:url(__VITE_ASSET__${font}__) format("woff2")`)
    },
  }
}

/** Serve the viewer of the API's contract, at /docs, from files of our own. */
function contractViewer(): Plugin {
  return {
    name: 'contract-viewer',
    apply: 'build',
    generateBundle() {
      for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css']) {
        const path = fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`))
        this.emitFile({ type: 'asset', fileName: `contract/${name}`, source: readFileSync(path) })
      }
    },
  }
}

export default defineConfig({
  plugins: [
    ownIconFont(),
    contractViewer(),
    vue(),
    Components({ dirs: [], resolvers: [VantResolver()], dts: 'src/components.d.ts' }),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  // Old WeChat web views are what cheap phones come with.
  build: {
    outDir: '../app/static',
    emptyOutDir: true,
    target: ['chrome87', 'safari14'],
    // The map library is one lazy file of about a megabyte; anything larger is a mistake.
    chunkSizeWarningLimit: 1300,
  },
  worker: { format: 'es' },
  server: { proxy: { '/api': 'http://127.0.0.1:8000' } },
})
