/** How the routes describe their answers in the OpenAPI document. */

export const refused = (description: string) => ({ description, content: { "application/problem+json": { schema: { $ref: "Problem#" } } } });
export const answered = (schema: string, description: string) => ({ description, content: { "application/json": { schema: { $ref: `${schema}#` } } } });
export const text = (mediaType: string, description: string) => ({ description, content: { [mediaType]: { schema: { type: "string", contentMediaType: mediaType } } } });
export const empty = (description: string) => ({ description, type: "null" });
