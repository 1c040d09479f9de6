import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import fc from "fast-check";

/** What a field may hold, by `Message.field`, or by `field` in any message; asked before anything else. */
export type Fields = Readonly<Record<string, fc.Arbitrary<unknown>>>;

/** The end of the year 9999, but for one second: a time is rounded to a millisecond. */
const LAST_SECOND = 253_402_300_798n;

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.constantFrom("", "\u001b]0;x\u0007", "a\nb", '"},{"', "__proto__", "\u202e", "日本"),
);

function anyScalar(scalar: ScalarType): fc.Arbitrary<unknown> {
  switch (scalar) {
    case ScalarType.STRING:
      return anyText;
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.INT32:
      return fc.nat();
    case ScalarType.INT64:
      return fc.bigInt({ min: 0n, max: 2n ** 53n - 1n });
    default:
      throw new Error(`no field of the contract's answers is of scalar type ${scalar}`);
  }
}

/** Any value that has a meaning. */
function anyEnum({ values }: DescEnum): fc.Arbitrary<number> {
  return fc.constantFrom(...values.map(({ number }) => number).filter((number) => number !== 0));
}

function anyField(field: DescField, fields: Fields, parent: DescMessage): fc.Arbitrary<unknown> {
  const told = fields[`${parent.name}.${field.name}`] ?? fields[field.name];
  if (told !== undefined) return told;
  switch (field.fieldKind) {
    case "scalar":
      return anyScalar(field.scalar);
    case "enum":
      return anyEnum(field.enum);
    case "message":
      return anyMessage(field.message, fields);
    case "list": {
      const each =
        field.listKind === "message"
          ? anyMessage(field.message, fields)
          : field.listKind === "enum"
            ? anyEnum(field.enum)
            : anyScalar(field.scalar);
      return fc.array(each, { maxLength: 3 });
    }
    case "map": {
      if (field.mapKind !== "scalar") throw new Error(`${field.name}: no map of the answers holds messages`);
      return fc.dictionary(anyText, anyScalar(field.scalar), { maxKeys: 3 });
    }
  }
}

/**
 * Any message of the contract whose parts are all there, as a daemon sends it; `fields` says what may be absent, and what
 * is narrower than its type. A oneof is empty unless `fields` names one of its fields.
 */
export function anyMessage<T extends DescMessage>(desc: T, fields: Fields): fc.Arbitrary<MessageShape<T>> {
  const parts: Record<string, fc.Arbitrary<unknown>> = {};
  if (desc.typeName === "google.protobuf.Timestamp") {
    parts["seconds"] = fc.bigInt({ min: 0n, max: LAST_SECOND });
    parts["nanos"] = fc.nat(999_999_999);
  } else {
    for (const field of desc.fields) {
      if (field.oneof === undefined) parts[field.localName] = anyField(field, fields, desc);
    }
    for (const { localName } of desc.oneofs) {
      const told = fields[`${desc.name}.${localName}`];
      if (told !== undefined) parts[localName] = told;
    }
  }
  // Sound: its fields are filled from the descriptor itself.
  return fc.record(parts).map((init) => create(desc, init as Parameters<typeof create<T>>[1]));
}
