/** The thumbnail loader: one request at a time, newest wins, failures pass. */
import { expect, it, vi } from "vitest";
import { startThumbnailLoader } from "./thumbnail-loader.ts";

function loaderWithGates() {
  const gates = new Map<string, PromiseWithResolvers<HTMLImageElement>>();
  const shown: string[] = [];
  const loader = startThumbnailLoader({
    load: (url) => {
      const gate = Promise.withResolvers<HTMLImageElement>();
      gates.set(url, gate);
      return gate.promise;
    },
    show: (image) => shown.push(image.src),
  });
  const finish = (url: string): void => gates.get(url)?.resolve({ src: url } as HTMLImageElement);
  const fail = (url: string): void => gates.get(url)?.reject(new Error("404"));
  return { loader, shown, finish, fail, asked: () => [...gates.keys()] };
}

it("asks for one picture at a time, and next for the newest of those that waited", async () => {
  const { loader, shown, finish, asked } = loaderWithGates();
  for (const url of ["1", "2", "3"]) loader.want(url);
  expect(asked()).toEqual(["1"]);
  finish("1");
  await vi.waitFor(() => expect(asked()).toEqual(["1", "3"]));
  finish("3");
  await vi.waitFor(() => expect(shown).toEqual(["1", "3"]));
});

it("goes on after a picture that does not load", async () => {
  const { loader, shown, finish, fail } = loaderWithGates();
  loader.want("1");
  loader.want("2");
  fail("1");
  await vi.waitFor(() => {
    finish("2");
    expect(shown).toEqual(["2"]);
  });
});

it("shows nothing after it is closed", async () => {
  const { loader, shown, finish, asked } = loaderWithGates();
  loader.want("1");
  loader.close();
  loader.want("2");
  finish("1");
  await Promise.resolve();
  expect(shown).toEqual([]);
  expect(asked()).toEqual(["1"]);
});
