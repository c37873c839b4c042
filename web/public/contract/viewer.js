/*
 * Shows the contract on /docs. A file of its own, and not lines in the page, so that the page's
 * policy need allow no script but files of this server.
 */
const at = document.getElementById('contract')
window.SwaggerUIBundle({
  domNode: at,
  url: at.dataset.url,
  deepLinking: true,
  validatorUrl: null, // or an outside host would be told the address of this one
})
