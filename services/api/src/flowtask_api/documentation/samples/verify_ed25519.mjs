import { createPublicKey, verify as verifySignature } from "node:crypto";

/**
 * Throws unless FlowTask sent this body in the last five minutes. `keys` are the JSON Web Keys of your webhook,
 * `headers` is an object with lower-case names (as node:http has it), `body` a Buffer of the raw bytes.
 */
export function verify(keys, headers, body) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= 300)) {
    throw new Error("too old, or from the future");
  }
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  for (const entry of headers["webhook-signature"].split(" ")) {
    const [version, signature] = entry.split(",");
    for (const { kty, crv, x } of version === "v1a" ? keys : []) {
      const key = createPublicKey({ key: { kty, crv, x }, format: "jwk" });
      if (verifySignature(null, signed, key, Buffer.from(signature ?? "", "base64"))) {
        return;
      }
    }
  }
  throw new Error("no signature matches");
}
