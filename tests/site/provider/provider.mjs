// A real provider of OpenID Connect for the tests: oidc-provider, over TLS, which signs somebody in at once.
//
// usage: node provider.mjs FOLDER OPTIONS     FOLDER has node_modules; OPTIONS is JSON:
//   {host, port, key, certificate, client, secret, back: [addresses], who: {subject, amr, acr}}
// It prints a line when it serves. Who signs in is changed by a line of JSON on its standard input.
import { createServer } from "node:https";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, given] = process.argv.slice(2);
const options = JSON.parse(given);
const module = join(folder, "node_modules", "oidc-provider", "lib", "index.js");
const { Provider } = await import(pathToFileURL(module));
let who = options.who;

const provider = new Provider(`https://${options.host}:${options.port}`, {
  clients: [
    {
      client_id: options.client,
      client_secret: options.secret,
      redirect_uris: options.back,
      response_types: ["code"],
      grant_types: ["authorization_code"],
    },
  ],
  acrValues: ["two-factors"],
  claims: { openid: ["sub", "acr", "amr"] },
  conformIdTokenClaims: true,
  cookies: { keys: ["of these tests alone"] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  ttl: { Session: 60, Interaction: 60, Grant: 60, AuthorizationCode: 60, AccessToken: 60, IdToken: 60 },
});

async function interact(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (who.refuses) {
    const refused = { error: "access_denied", error_description: "<script>nobody</script>" };
    return provider.interactionFinished(request, response, refused, { mergeWithLastSubmission: false });
  }
  if (prompt.name === "login") {
    const login = { accountId: who.subject, amr: who.amr, acr: who.acr, remember: false };
    return provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
  }
  const grant =
    (grantId && (await provider.Grant.find(grantId))) ??
    new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope("openid");
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

const answer = provider.callback();
const tls = { key: readFileSync(options.key), cert: readFileSync(options.certificate) };
const server = createServer(tls, (request, response) => {
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  return interact(request, response).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
createInterface({ input: process.stdin })
  .on("line", (line) => {
    who = JSON.parse(line);
    console.log("heard");
  })
  .on("close", () => process.exit(0));
server.listen(options.port, "127.0.0.1", () => console.log("serving"));
