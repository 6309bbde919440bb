"""The scalars of metric.molecule_quality, derived anew with RDKit's Python from EDM's published definition.

usage: rederive.py edm_bond_tables.json < molecules     a line a molecule: "train" or "sample", then symbol x y z of each atom
Prints a line for the samples and one for the training molecules:
    molecules atoms stable_atoms stable_molecules valid distinct novel diversity connected connected_and_valid
"""
import json
import sys

from rdkit import Chem, DataStructs, RDLogger
from rdkit.Chem import rdMolDescriptors

RDLogger.DisableLog("rdApp.*")
TABLE = json.load(open(sys.argv[1]))
VALENCE = {"H": 1, "C": 4, "N": 3, "O": 2, "F": 1}


def order(a, b, distance):
    """qm9/bond_analyze.py of EDM: get_bond_order."""
    picometres = 100 * distance
    if b not in TABLE["single"][a] or picometres >= TABLE["single"][a][b] + TABLE["margins"]["single"]:
        return 0
    if b in TABLE["double"].get(a, {}) and picometres < TABLE["double"][a][b] + TABLE["margins"]["double"]:
        if b in TABLE["triple"].get(a, {}) and picometres < TABLE["triple"][a][b] + TABLE["margins"]["triple"]:
            return 3
        return 2
    return 1


def judge(symbols, positions):
    """(stable atoms, whether the bonds leave one piece, SMILES or None)."""
    mol = Chem.RWMol()
    for symbol in symbols:
        mol.AddAtom(Chem.Atom(symbol))
    bonds = [0] * len(symbols)
    for i in range(len(symbols)):
        for j in range(i):
            distance = sum((p - q) ** 2 for p, q in zip(positions[i], positions[j])) ** 0.5
            found = order(symbols[i], symbols[j], distance)
            bonds[i] += found
            bonds[j] += found
            if found:
                mol.AddBond(i, j, [None, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE][found])
    stable = sum(VALENCE[symbol] == count for symbol, count in zip(symbols, bonds))
    connected = len(Chem.GetMolFrags(mol)) == 1
    if not symbols:
        return stable, connected, None
    try:
        Chem.SanitizeMol(mol)
        largest = max(Chem.GetMolFrags(mol, asMols=True), key=lambda piece: piece.GetNumAtoms())
        largest = Chem.RemoveHs(largest)
    except ValueError:
        return stable, connected, None
    Chem.RemoveStereochemistry(largest)
    return stable, connected, Chem.MolToSmiles(largest)


def diversity(smiles):
    prints = [rdMolDescriptors.GetMorganFingerprintAsBitVect(Chem.MolFromSmiles(text), 2, 2048) for text in smiles]
    pairs = [t for i in range(1, len(prints)) for t in DataStructs.BulkTanimotoSimilarity(prints[i], prints[:i])]
    return 1 - sum(pairs) / len(pairs) if pairs else 0.0


def scalars(molecules, known):
    judged = [(len(symbols), *judge(symbols, positions)) for symbols, positions in molecules]
    valid = [smiles for *_, smiles in judged if smiles is not None]
    stable = sum(n == s and n > 0 for n, s, *_ in judged)
    atoms = [sum(n for n, *_ in judged), sum(s for _, s, *_ in judged)]
    connected = [sum(c for _, _, c, _ in judged), sum(c and smiles is not None for _, _, c, smiles in judged)]
    counts = [len(judged), *atoms, stable, len(valid), len(set(valid)), len(set(valid) - known), repr(diversity(valid)), *connected]
    return counts, valid


sets = {"train": [], "sample": []}
for line in sys.stdin:
    kind, *words = line.split()
    rows = [words[i:i + 4] for i in range(0, len(words), 4)]
    sets[kind].append(([row[0] for row in rows], [[float(x) for x in row[1:]] for row in rows]))
training, known = scalars(sets["train"], set())
print(*scalars(sets["sample"], set(known))[0])
print(*training)
