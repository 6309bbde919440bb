#!/usr/bin/env python3
"""Writes tokenizer_golden.json: prompts in many scripts with the ids that transformers' CLIPTokenizer gives them over a
vocabulary of the 256 bytes. It has no merges, so that the ids show where a text is cut and how it is normalised.

    python make_tokenizer_golden.py            writes tokenizer_golden.json
"""

import json
import pathlib
import tempfile
import unicodedata

GOLDEN = pathlib.Path(__file__).with_name("tokenizer_golden.json")
START, END = "<|startoftext|>", "<|endoftext|>"

# About one thought in many scripts: colours, animals, numbers, punctuation.
SCRIPTS = {
    "Latin": ["A red cat on the table", "un château près de la forêt, été 2024", "Ein weißes Straßenschild – GRÖẞE"],
    "Latin, Vietnamese": ["một con mèo đỏ", "Phở bò Hà Nội", "ĐƯỜNG phố đêm mưa"],
    "Latin, stacked marks": ["ọ̀nà pupa", "žąsis ir ė̃", "ǖ ǘ ǚ ǜ LǛ"],
    "Latin, Turkish": ["İSTANBUL'da bir kedi", "ılık IŞIK", "dağ çiçeği"],
    "Greek": ["μια κόκκινη γάτα", "ΣΊΣΥΦΟΣ ὁ ὈΔΥΣΣΕΎΣ", "ᾠδὴ ΐ ῧ ᾳ"],
    "Cyrillic": ["красная кошка на столе", "ЖЁЛТЫЙ ёж, й и Й", "їжак ўсё"],
    "Armenian": ["կարմիր կատու", "ԵՐԵՎԱՆ և Արարատ", "մեկ՝ երկու։"],
    "Georgian": ["წითელი კატა", "ᲗᲑᲘᲚᲘᲡᲘ", "Ⴀⴀ ა"],
    "Hebrew": ["חתול אדום", "שָׁלוֹם עֲלֵיכֶם", "בְּרֵאשִׁית ״ב״"],
    "Arabic": ["قطة حمراء على الطاولة", "السَّلَامُ عَلَيْكُمْ", "٣ كتب، آ أ إ ؤ"],
    "Persian and Urdu": ["می‌خواهم گربه‌ای", "سرخ بلی ۂ ۓ", "۱۲ خانه"],
    "Syriac": ["ܫܠܡܐ", "ܒܪܹܫܝܼܬ", "ܐ ܂"],
    "Thaana": ["ރަތް ބުޅާ", "ދިވެހި", "މާލެ ١"],
    "N'Ko": ["ߒߞߏ", "ߓߊ߯ߙߊ", "߁߂߃"],
    "Devanagari": ["एक लाल बिल्ली", "लड़का और ज़मीन", "क्षत्रिय १२३ ।"],
    "Devanagari, precomposed": ["\u0958\u0959\u095a", "\u0929\u0931\u0934", "हिन्दी में \u095e"],
    "Bengali": ["একটি লাল বিড়াল", "কো কৌ পড়া", "৭টি য়"],
    "Gurmukhi": ["ਲਾਲ ਬਿੱਲੀ", "ਸ਼ੇਰ ਖ਼ੁਸ਼", "੧੨ ਫ਼ੁੱਲ"],
    "Gujarati": ["લાલ બિલાડી", "શ્રી ગણેશ", "૧૨ કૅમેરા"],
    "Odia": ["ଲାଲ ବିଲେଇ", "କୋ କୌ କୈ", "ଘୋଡ଼ା ୧୨"],
    "Tamil": ["சிவப்பு பூனை", "கொ கோ கௌ", "தமிழ் ௧௨"],
    "Telugu": ["ఎరుపు పిల్లి", "కై క్షేమం", "౧౨ పువ్వులు"],
    "Kannada": ["ಕೆಂಪು ಬೆಕ್ಕು", "ಕೀ ಕೇ ಕೋ", "೧೨ ಹೂವು"],
    "Malayalam": ["ചുവന്ന പൂച്ച", "കൊ കോ കൌ", "അവൻ ന്‍ ൧"],
    "Sinhala": ["රතු පූසා", "කේ කො කෝ ශ්‍රී", "ඥාන ෴"],
    "Thai": ["แมวสีแดงบนโต๊ะ", "น้ำ กำ ๑๒๓", "เชียงใหม่"],
    "Lao": ["ແມວສີແດງ", "ນໍ້າ ນ້ຳ", "໑໒ ຫຼາຍ"],
    "Tibetan": ["ཞི་མི་དམར་པོ", "\u0f43 \u0f4d \u0f73 \u0f81", "༡༢ ལྷ།"],
    "Myanmar": ["ကြောင်နီ", "ဦး ဥ\u102e", "၁၂ မြန်မာ"],
    "Khmer": ["ឆ្មាក្រហម", "ភាសាខ្មែរ", "១២ ផ្ទះ។"],
    "Ethiopic": ["ቀይ ድመት", "አማርኛ፡ቋንቋ", "፩፪ ቤት"],
    "Hangul": ["탁자 위의 빨간 고양이", "\u1112\u1161\u11ab\u1100\u1173\u11af", "가\u11a8 각 힣 ㄱㅏ"],
    "Han": ["桌子上的红猫", "一二三 〇 兩隻貓。", "\uf900\ufa0e 葛\U000e0100 \U0002f800"],
    "Kana": ["赤いねこ、ガラス", "か\u3099 は\u309a ウ\u3099 ヴ", "ｶﾞ ﾊﾟ ー ゝゞ"],
    "Mongolian": ["ᠤᠯᠠᠭᠠᠨ", "ᠮᠣᠩᠭᠣᠯ\u180e", "᠑᠒ ᠪᠠᠢᠨ\u202fᠠ"],
    "Cherokee": ["ᎩᎦᎨ ᏪᏌ", "ꭰꮳꮃꭹ Ꮳ", "ᏸ Ᏸ"],
    "Canadian Aboriginal": ["ᒥᖅᑯ", "ᐊᐃᓐᓇᓂ", "ᑖ 3"],
    "Tifinagh": ["ⴰⵎⵓⵛⵛ", "ⵜⴰⵎⴰⵣⵉⵖⵜ", "ⵣ 1"],
    "Balinese and Javanese": ["\u1b05\u1b35 \u1b06", "ꦧꦱꦗꦮ", "ᮞᮥᮔ᮪ᮓ"],
    "Beyond the basic plane": ["𐐔𐐯𐑅𐐨𐑉𐐯𐐻 𐐀𐐁", "𞤀𞤣𞤤𞤢𞤥", "\U00011131\U00011127 \U000110a5\U000110ba 𓀀𝐀𝟘"],
}
OTHERS = [
    "", " ", "\t\n\r", "🙂", "👍🏽👍🏻", "👨‍👩‍👧‍👦 family", "🏳️‍🌈 flag 🇩🇪🇫🇷", "1️⃣2️⃣ #️⃣", "❤️ and ❤ and ❤︎", "🧑🏿‍🚀🐈‍⬛", "☕️☔!?", "smile:)🙂🙃x",
    "e\u0301 E\u0301 a\u030a\u0301 \u1ea5", "a\u0323\u0307 a\u0307\u0323 d\u0323\u0307", "q\u0307\u0323\u0301", "\u0301 alone", "x\u0304 equals 2", "Z\u0351\u036b\u0343a\u0320l\u0321g\u0322o",
    "\u212b \u2126 \u212a \u017f", "ﬁre ﬂag ﬀ", "ＦＵＬＬ ｗｉｄｔｈ １２", "x² + y³ = ½ ¼ Ⅷ ⅷ ① ㊷", "ǅ ǆ Ǆ ŉ ΐ ΰ", "\u0340 \u0341 \u0343 \u0344 \u0374 \u037e \u0387",
    "zero\u200bwidth", "zero\u200djoin\u200cer", "\ufeffmark", "soft\u00adhyphen", "word\u2060joiner", "no\u00a0break\u202fthin", "ideographic\u3000space", "next\u0085line",
    "line\u2028separator\u2029paragraph", "ogham\u1680space", "mongolian\u180espace", "unit\u001fseparator file\u001cseparator", "vertical\u000btab form\u000cfeed", "en\u2002em\u2003six\u2006",
    "left\u200e right\u200f \u202aembedded\u202c", "it's they'RE we'll I'd O'S 'S ''s", "don’t ʼn “quoted” «guillemets»", "snake_case kebab-case a.b@c.de", "#hashtag $100 50% a/b\\c",
    "<|startoftext|> inside <|endoftext|>", "<|STARTOFTEXT|>", "<|endoftext|><|endoftext|>", "日本語English混在123文字", "русский and العربية and हिन्दी", "नि\u200dर\u200cव", "\u0915\u093c \u0958",
    "private \ue000 use", "unassigned \u0378 \U000e0001", "noncharacter \uffff\ufdd0", "replacement \ufffd", "null\u0000byte", "ÅÅÅ ångström", "ΑΣ ΑΣΑ Σ", "İi Iı ﬃ", "ẞ ß SS",
]


def prompts():
    """Each as it stands and decomposed, as text from a Mac is."""
    texts = {}
    for script, own in [*SCRIPTS.items(), ("others", OTHERS)]:
        for text in own:
            for form in (text, unicodedata.normalize("NFD", text)):
                texts.setdefault(form, script)
    return texts


def vocabulary():
    """Every byte, as byte-level vocabularies write it, inside a word and at its end."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    symbols = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
    return {token: i for i, token in enumerate([*symbols, *(s + "</w>" for s in symbols), START, END])}


def write_folder(folder):
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(vocabulary()))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({**special, "model_max_length": 1000, "tokenizer_class": "CLIPTokenizer"}))


def golden():
    from transformers import CLIPTokenizer

    with tempfile.TemporaryDirectory() as parent:
        folder = pathlib.Path(parent) / "bytes"
        write_folder(folder)
        tokenizer = CLIPTokenizer.from_pretrained(folder)
        return {"vocabulary": vocabulary(), "prompts": [{"script": script, "text": text, "ids": tokenizer(text)["input_ids"]}
                                                        for text, script in prompts().items()]}


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(golden(), separators=(",", ":")).replace('{"script"', '\n{"script"') + "\n")
