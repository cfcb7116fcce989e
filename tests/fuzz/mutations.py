"""Changes that keep an input well-formed: of one member of an archive, of one value in a text.

Random changes of bytes hardly ever leave lengths and checksums right, and so would seldom get as
far as what reads the content.
"""

import json
import random
import struct

from fuzz.targets import AS_IT_IS, in_pieces, pieces

# In the place of any value of a JSON text.
VALUES = [
    *(None, True, False, 0, 1, 2, -1, 3, 7, 2**31 - 1, 2**31, 2**63, -(2**64), 10**400, 0.5, -0.0),
    *(1e308, 1e39, 5e-324, float("nan"), float("inf"), "", "a", "\ud800", "float32", "float16"),
    *([], [0], [[]], [1, 1], [None] * 9, {}, {"a": 1}, "O", "x" * 300),
]

# In the place of any element of an array.
NUMBERS = [
    struct.pack(kind, number)
    for kind in ("<f", "<d", ">d")
    for number in (float("nan"), float("inf"), -float("inf"), 3e38, -3e38, 1e-45, -0.0)
] + [struct.pack("<q", number) for number in (-1, 1, 2**31, 0x110000, 2**63 - 1, -(2**63))]


def change_text(text, rng):
    """One value of a JSON text replaced, doubled or gone, or two values exchanged."""
    content = json.loads(text)
    places = []  # all containers with all their keys

    def visit(node):
        if isinstance(node, (dict, list)):
            for key in list(node) if isinstance(node, dict) else range(len(node)):
                places.append((node, key))
                visit(node[key])

    visit(content)
    if not places:
        return json.dumps(rng.choice(VALUES)).encode()
    node, key = rng.choice(places)
    other, other_key = rng.choice(places)
    kind = rng.randrange(6)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, list):
        node.append(node[key])
    elif kind == 2:  # a copy, since nothing may hold itself
        node[key] = json.loads(json.dumps(other[other_key]))
    elif kind == 3 and isinstance(node[key], (int, float)) and abs(node[key]) < 1e300:
        node[key] += rng.choice([-1, 1, 0.5])
    else:
        node[key] = rng.choice(VALUES)
    return json.dumps(content).encode()


def change(data, longest, seed, change_bytes):
    """An input near another one.

    change_bytes(data, longest) is the fuzzer's own way, which also knows what it has seen compared.
    """
    rng = random.Random(seed)
    members = list(pieces(data[1:])) if data[:1] != bytes([AS_IT_IS]) else []
    if not members or rng.random() < 0.2:
        return change_bytes(data, longest)
    place = rng.randrange(len(members))
    name, content = members[place]
    kind = rng.randrange(12)
    if kind == 0:
        del members[place]
    elif kind == 1:
        members.append(members[place])
    elif kind == 2:
        other = rng.randrange(len(members))
        members[place], members[other] = (members[other][0], content), members[place]
    elif kind == 3:
        name = change_bytes(name.encode("latin1"), 40)[:255].decode("latin1")
        members[place] = (name, content)
    elif kind < 6 and len(content) >= 8:
        number = rng.choice(NUMBERS)
        at = len(content) - 4 * rng.randint(1, len(content) // 4)  # arrays lie at the end
        members[place] = (name, content[:at] + number + content[at + len(number) :])
    else:
        try:
            content = change_text(content, rng)
        except ValueError:
            content = change_bytes(content, len(content) + 64)
        members[place] = (name, content[:0xFFFF])
    return (data[:1] + in_pieces(members))[:longest]
