// The data of RDKit's QED (rdkit/Chem/QED.py of release 2022.09.3), under RDKit's licence:
//
//  Copyright (c) 2009-2017, Novartis Institutes for BioMedical Research Inc.
//  All rights reserved.
//
// Redistribution and use in source and binary forms, with or without
// modification, are permitted provided that the following conditions are
// met:
//
//     * Redistributions of source code must retain the above copyright
//       notice, this list of conditions and the following disclaimer.
//     * Redistributions in binary form must reproduce the above
//       copyright notice, this list of conditions and the following
//       disclaimer in the documentation and/or other materials provided
//       with the distribution.
//     * Neither the name of Novartis Institutes for BioMedical Research Inc.
//       nor the names of its contributors may be used to endorse or promote
//       products derived from this software without specific prior written permission.
//
// THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS
// "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT
// LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR
// A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT
// OWNER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
// SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT
// LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
// DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY
// THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
// (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
// OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
//
#include "plugins/shared/chem_scores/qed_data.h"

namespace espalier::chem::qed_data {
namespace {

// clang-format off
constexpr const char* kAcceptorSmarts[] = {
    R"([oH0;X2])",
    R"([OH1;X2;v2])",
    R"([OH0;X2;v2])",
    R"([OH0;X1;v2])",
    R"([O-;X1])",
    R"([SH0;X2;v2])",
    R"([SH0;X1;v2])",
    R"([S-;X1])",
    R"([nH0;X2])",
    R"([NH0;X1;v3])",
    R"([$([N;+0;X3;v3]);!$(N[C,S]=O)])",
};

constexpr const char* kAlertSmarts[] = {
    R"(*1[O,S,N]*1)",
    R"([S,C](=[O,S])[F,Br,Cl,I])",
    R"([CX4][Cl,Br,I])",
    R"([#6]S(=O)(=O)O[#6])",
    R"([$([CH]),$(CC)]#CC(=O)[#6])",
    R"([$([CH]),$(CC)]#CC(=O)O[#6])",
    R"(n[OH])",
    R"([$([CH]),$(CC)]#CS(=O)(=O)[#6])",
    R"(C=C(C=O)C=O)",
    R"(n1c([F,Cl,Br,I])cccc1)",
    R"([CH1](=O))",
    R"([#8][#8])",
    R"([C;!R]=[N;!R])",
    R"([N!R]=[N!R])",
    R"([#6](=O)[#6](=O))",
    R"([#16][#16])",
    R"([#7][NH2])",
    R"(C(=O)N[NH2])",
    R"([#6]=S)",
    R"([$([CH2]),$([CH][CX4]),$(C([CX4])[CX4])]=[$([CH2]),$([CH][CX4]),$(C([CX4])[CX4])])",
    R"(C1(=[O,N])C=CC(=[O,N])C=C1)",
    R"(C1(=[O,N])C(=[O,N])C=CC=C1)",
    R"(a21aa3a(aa1aaaa2)aaaa3)",
    R"(a31a(a2a(aa1)aaaa2)aaaa3)",
    R"(a1aa2a3a(a1)A=AA=A3=AA=A2)",
    R"(c1cc([NH2])ccc1)",
    R"([Hg,Fe,As,Sb,Zn,Se,se,Te,B,Si,Na,Ca,Ge,Ag,Mg,K,Ba,Sr,Be,Ti,Mo,Mn,Ru,Pd,Ni,Cu,Au,Cd,Al,Ga,Sn,Rh,Tl,Bi,Nb,Li,Pb,Hf,Ho])",
    R"(I)",
    R"(OS(=O)(=O)[O-])",
    R"([N+](=O)[O-])",
    R"(C(=O)N[OH])",
    R"(C1NC(=O)NC(=O)1)",
    R"([SH])",
    R"([S-])",
    R"(c1ccc([Cl,Br,I,F])c([Cl,Br,I,F])c1[Cl,Br,I,F])",
    R"(c1cc([Cl,Br,I,F])cc([Cl,Br,I,F])c1[Cl,Br,I,F])",
    R"([CR1]1[CR1][CR1][CR1][CR1][CR1][CR1]1)",
    R"([CR1]1[CR1][CR1]cc[CR1][CR1]1)",
    R"([CR2]1[CR2][CR2][CR2][CR2][CR2][CR2][CR2]1)",
    R"([CR2]1[CR2][CR2]cc[CR2][CR2][CR2]1)",
    R"([CH2R2]1N[CH2R2][CH2R2][CH2R2][CH2R2][CH2R2]1)",
    R"([CH2R2]1N[CH2R2][CH2R2][CH2R2][CH2R2][CH2R2][CH2R2]1)",
    R"(C#C)",
    R"([OR2,NR2]@[CR2]@[CR2]@[OR2,NR2]@[CR2]@[CR2]@[OR2,NR2])",
    R"([$([N+R]),$([n+R]),$([N+]=C)][O-])",
    R"([#6]=N[OH])",
    R"([#6]=NOC=O)",
    R"([#6](=O)[CX4,CR0X3,O][#6](=O))",
    R"(c1ccc2c(c1)ccc(=O)o2)",
    R"([O+,o+,S+,s+])",
    R"(N=C=O)",
    R"([NX3,NX4][F,Cl,Br,I])",
    R"(c1ccccc1OC(=O)[#6])",
    R"([CR0]=[CR0][CR0]=[CR0])",
    R"([C+,c+,C-,c-])",
    R"(N=[N+]=[N-])",
    R"(C12C(NC(N1)=O)CSC2)",
    R"(c1c([OH])c([OH,NH2,NH])ccc1)",
    R"(P)",
    R"([N,O,S]C#N)",
    R"(C=C=O)",
    R"([Si][F,Cl,Br,I])",
    R"([SX2]O)",
    R"([SiR0,CR0](c1ccccc1)(c2ccccc2)(c3ccccc3))",
    R"(O1CCCCC1OC2CCC3CCCCC3C2)",
    R"(N=[CR0][N,n,O,S])",
    R"([cR2]1[cR2][cR2]([Nv3X3,Nv4X4])[cR2][cR2][cR2]1[cR2]2[cR2][cR2][cR2]([Nv3X3,Nv4X4])[cR2][cR2]2)",
    R"(C=[C!r]C#N)",
    R"([cR2]1[cR2]c([N+0X3R0,nX3R0])c([N+0X3R0,nX3R0])[cR2][cR2]1)",
    R"([cR2]1[cR2]c([N+0X3R0,nX3R0])[cR2]c([N+0X3R0,nX3R0])[cR2]1)",
    R"([cR2]1[cR2]c([N+0X3R0,nX3R0])[cR2][cR2]c1([N+0X3R0,nX3R0]))",
    R"([OH]c1ccc([OH,NH2,NH])cc1)",
    R"(c1ccccc1OC(=O)O)",
    R"([SX2H0][N])",
    R"(c12ccccc1(SC(S)=N2))",
    R"(c12ccccc1(SC(=S)N2))",
    R"(c1nnnn1C=O)",
    R"(s1c(S)nnc1NC=O)",
    R"(S1C=CSC1=S)",
    R"(C(=O)Onnn)",
    R"(OS(=O)(=O)C(F)(F)F)",
    R"(N#CC[OH])",
    R"(N#CC(=O))",
    R"(S(=O)(=O)C#N)",
    R"(N[CH2]C#N)",
    R"(C1(=O)NCC1)",
    R"(S(=O)(=O)[O-,OH])",
    R"(NC[F,Cl,Br,I])",
    R"(C=[C!r]O)",
    R"([NX2+0]=[O+0])",
    R"([OR0,NR0][OR0,NR0])",
    R"(C(=O)O[C,H1].C(=O)O[C,H1].C(=O)O[C,H1])",
    R"([CX2R0][NX3R0])",
    R"(c1ccccc1[C;!R]=[C;!R]c2ccccc2)",
    R"([NX3R0,NX4R0,OR0,SX2R0][CX4][NX3R0,NX4R0,OR0,SX2R0])",
    R"([s,S,c,C,n,N,o,O]~[n+,N+](~[s,S,c,C,n,N,o,O])(~[s,S,c,C,n,N,o,O])~[s,S,c,C,n,N,o,O])",
    R"([s,S,c,C,n,N,o,O]~[nX3+,NX3+](~[s,S,c,C,n,N])~[s,S,c,C,n,N])",
    R"([*]=[N+]=[*])",
    R"([SX3](=O)[O-,OH])",
    R"(N#N)",
    R"(F.F.F.F)",
    R"([R0;D2][R0;D2][R0;D2][R0;D2])",
    R"([cR,CR]~C(=O)NC(=O)~[cR,CR])",
    R"(C=!@CC=[O,S])",
    R"([#6,#8,#16][#6](=O)O[#6])",
    R"(c[C;R0](=[O,S])[#6])",
    R"(c[SX2][C;!R])",
    R"(C=C=C)",
    R"(c1nc([F,Cl,Br,I,S])ncc1)",
    R"(c1ncnc([F,Cl,Br,I,S])c1)",
    R"(c1nc(c2c(n1)nc(n2)[F,Cl,Br,I]))",
    R"([#6]S(=O)(=O)c1ccc(cc1)F)",
    R"([15N])",
    R"([13C])",
    R"([18O])",
    R"([34S])",
};
// clang-format on

}  // namespace

std::span<const char* const> acceptors() { return kAcceptorSmarts; }
std::span<const char* const> alerts() { return kAlertSmarts; }

}  // namespace espalier::chem::qed_data
