// Dictionaries of structured fields (RFC 9651, RFC 8941), as far as RFC 9421 uses them: keys without a
// value, dates and display strings are errors. So is a key that comes twice, since taking the last one
// would let two readers see two different requests, and base64 that has another spelling. What else was
// not in canonical form is told to the caller.

/** A bare item. Tokens and byte sequences are told apart from strings. */
export type BareItem =
  | { kind: "integer"; value: number }
  | { kind: "string"; value: string }
  | { kind: "bytes"; value: Buffer }
  | { kind: "other" };

export type Parameters = ReadonlyMap<string, BareItem>;

export interface Item {
  item: BareItem;
  parameters: Parameters;
}

export interface Member {
  /** Undefined for an item that is not a list. */
  list: readonly Item[] | undefined;
  /** Undefined for a list. */
  item: BareItem | undefined;
  parameters: Parameters;
  /** The member's text, without its key and the equals sign. */
  text: string;
  /** Whether `text` is what serialising the member again would give. */
  canonical: boolean;
}

/** The field breaks the grammar. */
export class FieldSyntaxError extends Error {}

/**
 * Parses a dictionary.
 * @throws FieldSyntaxError
 */
export function parseDictionary(text: string): Map<string, Member> {
  return new Parser(text).dictionary();
}

const char = (c: string) => c.charCodeAt(0);
const [tab, space, quote, open, close] = [0x09, 0x20, 0x22, 0x28, 0x29];
const [comma, minus, dot, colon, semicolon] = [0x2c, 0x2d, 0x2e, 0x3a, 0x3b];
const [equals, question, backslash] = [0x3d, 0x3f, 0x5c];

const isLower = (c: number) => c >= char("a") && c <= char("z");
const isUpper = (c: number) => c >= char("A") && c <= char("Z");
const isDigit = (c: number) => c >= char("0") && c <= char("9");
const isKeyStart = (c: number) => isLower(c) || c === char("*");
const isKeyChar = (c: number) =>
  isLower(c) || isDigit(c) || c === minus || c === dot || c === char("_") || c === char("*");
const isTokenStart = (c: number) => isLower(c) || isUpper(c) || c === char("*");
const isTokenChar = (c: number) =>
  isTokenStart(c) ||
  isDigit(c) ||
  (c > space && "!#$%&'*+-.^_`|~:/".includes(String.fromCharCode(c)));

class Parser {
  readonly #text: string;
  #at = 0;
  #canonical = true;

  constructor(text: string) {
    this.#text = text;
  }

  dictionary(): Map<string, Member> {
    const members = new Map<string, Member>();
    this.#skip(false);
    while (this.#at < this.#text.length) {
      const key = this.#key();
      if (members.has(key)) throw new FieldSyntaxError(`the key ${key} comes twice`);
      members.set(key, this.#member());
      this.#skip(true);
      if (this.#at === this.#text.length) break;
      this.#expect(comma);
      this.#skip(true);
      if (this.#at === this.#text.length) throw new FieldSyntaxError("it ends with a comma");
    }
    return members;
  }

  #member(): Member {
    this.#expect(equals);
    const start = this.#at;
    this.#canonical = true;
    const list = this.#peek() === open ? this.#innerList() : undefined;
    const item = list === undefined ? this.#bareItem() : undefined;
    const parameters = this.#parameters();
    const text = this.#text.slice(start, this.#at);
    return { list, item, parameters, text, canonical: this.#canonical };
  }

  #innerList(): Item[] {
    const items: Item[] = [];
    this.#expect(open);
    for (;;) {
      const spaces = this.#skip(false);
      const ends = this.#peek() === close;
      if (spaces !== (items.length === 0 || ends ? 0 : 1)) this.#canonical = false;
      if (ends) break;
      if (items.length > 0 && spaces === 0) throw new FieldSyntaxError("items are not set apart");
      items.push({ item: this.#bareItem(), parameters: this.#parameters() });
    }
    this.#at++;
    return items;
  }

  #parameters(): Map<string, BareItem> {
    const parameters = new Map<string, BareItem>();
    while (this.#peek() === semicolon) {
      this.#at++;
      if (this.#skip(false) > 0) this.#canonical = false;
      const key = this.#key();
      if (parameters.has(key)) throw new FieldSyntaxError(`the parameter ${key} comes twice`);
      parameters.set(key, this.#parameterValue());
    }
    return parameters;
  }

  #parameterValue(): BareItem {
    if (this.#peek() !== equals) return { kind: "other" };
    this.#at++;
    return this.#bareItem();
  }

  #bareItem(): BareItem {
    const c = this.#peek();
    if (c === quote) return this.#string();
    if (c === colon) return this.#bytes();
    if (c === minus || isDigit(c)) return this.#number();
    if (c === question) return this.#boolean();
    if (!isTokenStart(c)) throw new FieldSyntaxError(`unexpected character at ${this.#at}`);
    while (isTokenChar(this.#peek())) this.#at++;
    return { kind: "other" };
  }

  #string(): BareItem {
    const start = ++this.#at;
    let value = "";
    let from = start;
    for (;;) {
      const c = this.#peek();
      if (c === quote) break;
      if (c === backslash) {
        value += this.#text.slice(from, this.#at++);
        from = this.#at;
        if (this.#peek() !== quote && this.#peek() !== backslash) {
          throw new FieldSyntaxError("a string has a bad escape");
        }
      } else if (!(c >= 0x20 && c <= 0x7e)) {
        throw new FieldSyntaxError("a string does not end, or is not ASCII");
      }
      this.#at++;
    }
    value += this.#text.slice(from, this.#at++);
    return { kind: "string", value };
  }

  #bytes(): BareItem {
    const end = this.#text.indexOf(":", this.#at + 1);
    if (end < 0) throw new FieldSyntaxError("a byte sequence does not end");
    const base64 = this.#text.slice(this.#at + 1, end);
    const value = Buffer.from(base64, "base64");
    // Also catches characters outside the alphabet, missing padding and stray bits.
    if (value.toString("base64") !== base64) throw new FieldSyntaxError("base64 is not canonical");
    this.#at = end + 1;
    return { kind: "bytes", value };
  }

  #number(): BareItem {
    const start = this.#at;
    if (this.#peek() === minus) this.#at++;
    const digits = this.#digits();
    if (this.#peek() === dot) {
      this.#at++;
      const fraction = this.#digits();
      if (digits > 12 || digits < 1 || fraction > 3 || fraction < 1) {
        throw new FieldSyntaxError("a decimal is out of range");
      }
      this.#canonical = false;
      return { kind: "other" };
    }
    if (digits > 15 || digits < 1) throw new FieldSyntaxError("an integer is out of range");
    const text = this.#text.slice(start, this.#at);
    const value = Number(text);
    if (String(value) !== text) this.#canonical = false;
    return { kind: "integer", value };
  }

  #digits(): number {
    const start = this.#at;
    while (isDigit(this.#peek())) this.#at++;
    return this.#at - start;
  }

  #boolean(): BareItem {
    const value = this.#text[this.#at + 1];
    if (value !== "0" && value !== "1") throw new FieldSyntaxError("a boolean is neither 0 nor 1");
    this.#at += 2;
    // A parameter that is true is written without a value.
    this.#canonical = false;
    return { kind: "other" };
  }

  #key(): string {
    const start = this.#at;
    if (!isKeyStart(this.#peek())) throw new FieldSyntaxError(`a key is missing at ${this.#at}`);
    while (isKeyChar(this.#peek())) this.#at++;
    return this.#text.slice(start, this.#at);
  }

  /** Skips spaces, and tabs where the grammar has OWS. @returns how many */
  #skip(tabs: boolean): number {
    const start = this.#at;
    while (this.#peek() === space || (tabs && this.#peek() === tab)) this.#at++;
    return this.#at - start;
  }

  #expect(c: number): void {
    if (this.#peek() !== c) {
      throw new FieldSyntaxError(`"${String.fromCharCode(c)}" is missing at ${this.#at}`);
    }
    this.#at++;
  }

  /** NaN at the end. */
  #peek(): number {
    return this.#text.charCodeAt(this.#at);
  }
}
