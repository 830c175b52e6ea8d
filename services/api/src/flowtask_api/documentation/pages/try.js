// Shows the description of this server and tries it out on this server alone, whatever other servers it names.
(async () => {
  const answer = await fetch("/openapi.json");
  const spec = await answer.json();
  spec.servers = [{ url: "/api/v1" }];
  window.ui = SwaggerUIBundle({
    spec,
    dom_id: "#description",
    deepLinking: true,
    displayRequestDuration: true,
    docExpansion: "list",
    filter: true,
    persistAuthorization: false,
    tryItOutEnabled: true,
    validatorUrl: null,
    withCredentials: false,
  });
})();
