/** Judges what requests bring: a path or query is text and is read as what its schema says, a JSON body has types of its own and is taken at its word. */
import { AjvCompiler } from "@fastify/ajv-compiler";

type Build = ReturnType<typeof AjvCompiler>;

/**
 * With types read generously, a list of streams that came as `""` would be null, which is all streams, and a hold that
 * came as `null` would be lifted.
 */
export const buildValidator: Build = (schemas, options) => {
  const text = AjvCompiler()(schemas, options);
  const json = AjvCompiler()(schemas, { ...options, customOptions: { ...options?.customOptions, coerceTypes: false } } as typeof options);
  return ((route: { readonly httpPart?: string }) => (route.httpPart === "body" ? json : text)(route)) as ReturnType<Build>;
};
