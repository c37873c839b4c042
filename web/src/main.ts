import '@vant/touch-emulator' // Vant listens to touches only; this makes a mouse send them.
import './styles/base.css'

import { createApp } from 'vue'

import App from './App.vue'
import { router } from './router'

// After an update of the server the files of the old pages are gone: begin again with the new ones,
// but once only, or a broken network would make the page reload for ever.
const RESTARTED = 'restarted'
window.addEventListener('vite:preloadError', () => {
  if (sessionStorage.getItem(RESTARTED)) return
  sessionStorage.setItem(RESTARTED, 'yes')
  window.location.reload()
})
router.afterEach((_to, _from, failure) => {
  if (!failure) sessionStorage.removeItem(RESTARTED)
})

createApp(App).use(router).mount('#app')
