"""Words by which a column says what its row means: for adding and deducting in the languages of the world's
ledgers, and for what only a manual transaction can carry.
"""
# ruff: noqa: RUF001 - letters of many alphabets are meant

from typing import Final

_MEANINGFUL = """
    validuntil validto validtill validthrough validthru gültigbis gueltigbis ablaufdatum verfallsdatum
    verfall caducidad fechadecaducidad vencimiento fechadevencimiento validade scadenza vervaldatum
    transactionid transactionno transactionnumber transactionref transactionreference transid txnid
    trxid transaktionsid transaktionsnummer transactiontime transactiondate transactiondatetime
    transactiontimestamp transactedat txntime txndate trxdate transtime transdate transaktionsdatum
    transaktionszeit email emailaddress mail mailaddress customeremail playeremail memberemail useremail
    emailadresse correo correoelectrónico courriel mobile mobileno mobilenumber mobilephone phone
    phoneno phonenumber telephone tel msisdn cellphone customermobile customerphone playermobile handy
    handynummer telefon telefonnummer móvil celular teléfono currency currencycode ccy währung waehrung
    devise moneda moeda valuta type transactiontype txntype trxtype adjustmenttype pointstype pointtype
    typ tipo
"""
MEANINGFUL_HEADINGS: Final = tuple(_MEANINGFUL.split())
"""Headings of expiry dates, of the transaction, of whom it is for, of currencies and of types. Every heading
with "expir" in it counts, too."""

_HEADINGS = """
    type transactiontype txntype trxtype adjustmenttype pointstype typ tipo sign signe signo segno sinal
    vorzeichen direction richtung sens sentido senso dirección direção operation op operación operação
    operazione opération operationtype action movement movementtype movimiento movimento mouvement
    mutation mutatie afbij bijaf af/bij debitcredit creditdebit debetcredit debetkredit debitkredit
    debit/credit credit/debit debet/kredit debet/credit drcr crdr dr/cr cr/dr dc cd d/c c/d dk kd d/k
    k/d sh hs s/h h/s shkz shkzg sollhaben soll/haben sollhabenkennzeichen soll/habenkennzeichen
    sollhabenkz soll/habenkz debehaber debe/haber dareavere dare/avere buchungsart bewegungsart
    plusminus +/ /+ ± inout in/out entrytype ledgertype creditordebit debitorcredit indicator
    dcindicator kennzeichen
"""
SIGN_HEADINGS: Final = tuple(_HEADINGS.split())
"""Headings under which even a single sign word counts; squeezed, so that ``+/-`` is ``+/``."""

_ENGLISH = """
    add adds added adding addition plus credit credits credited deposit deposits deposited grant granted
    earn earned earning increase increased increment positive inbound incoming deduct deducts deducted
    deducting deduction minus debit debits debited withdraw withdrawn withdrawal subtract subtracted
    subtraction decrease decreased decrement negative remove removed removal redeem redeemed redemption
    burn burned burnt spend spent outbound outgoing reverse reversed reversal clawback revoke revoked
"""
_GERMANIC = """
    soll haben gutschrift lastschrift belastung abzug zugang abgang einzahlung auszahlung abbuchung
    zubuchung hinzufügen abziehen gutgeschrieben belastet storno eingang ausgang addieren subtrahieren
    debet krediet bijschrijving afschrijving toevoegen aftrekken erbij eraf bijboeken afboeken kredit
    kreditt tillägg avdrag uttag insättning fradrag tillæg indsættelse hævning innskudd uttak
"""
_ROMANCE = """
    crédit débit ajout ajouter retrait retirer déduction déduire moins entrée sortie crédito débito
    abono cargo sumar restar resta añadir agregar deducir deducción retiro retirada salida ingreso
    egreso más menos debe haber adicionar adição deduzir dedução subtrair entrada saída mais resgate
    dare avere accredito addebito credito debito aggiungere togliere entrata uscita più meno adaugă
    scade încasare plată
"""
_OTHER_LATIN = """
    winien uznanie obciążenie dodaj odejmij wpłata wypłata kredyt připsat odepsat příjem výdej tartozik
    követel jóváírás terhelés lisäys vähennys hyvitys veloitus pano otto borç alacak ekle çıkar artı
    eksi yükle ekleme çıkarma giriş çıkış tambah kurang potong masuk keluar cộng trừ
"""
_CYRILLIC_AND_GREEK = """
    дебет кредит приход расход начисление списание начислить списать зачисление пополнение добавить
    вычесть плюс минус нарахування списання прихід витрата χρέωση πίστωση
"""
_ARABIC_AND_HEBREW = """
    دائن مدين إضافة خصم إيداع سحب زيادة نقصان نقص بدهکار بستانکار افزایش کاهش واریز برداشت זכות חובה
    הוספה ניכוי הפחתה
"""
_ASIAN = """
    借 贷 貸 借方 贷方 貸方 增加 减少 減少 扣除 扣减 加 减 減 收入 支出 加算 減算 付与 入金 出金 控除
    차변 대변 적립 차감 입금 출금 추가
    जमा नामे क्रेडिट डेबिट เพิ่ม ลด หัก เครดิต เดบิต
"""
SIGN_WORDS: Final = (
    *_ENGLISH.split(),
    *_GERMANIC.split(),
    *_ROMANCE.split(),
    *_OTHER_LATIN.split(),
    *_CYRILLIC_AND_GREEK.split(),
    *_ARABIC_AND_HEBREW.split(),
    *_ASIAN.split(),
)
"""Words that mean adding or deducting wherever all values of a column are such words."""

SIGN_PAIRS: Final = (
    *(("s", "h"), ("d", "k"), ("d", "c"), ("d", "h"), ("+", "-"), ("dr", "cr"), ("dt", "ct"), ("dt", "kt")),
    *(
        ("in", "out"),
        ("af", "bij"),
        ("md", "d"),
        ("md", "dal"),
        ("wn", "ma"),
        ("winien", "ma"),
        ("له", "عليه"),
    ),
)
"""Letters and short words that are signs together: alone each may be a size, a country or a placeholder."""

DEDUCTING_ALONE: Final = ("d", "s", "dr", "out")
"""Of those, what counts also where it stands in all rows: if it were ignored, each of them would add."""

FILLERS: Final = (
    *("point", "points", "pt", "pts", "punkte", "punto", "puntos", "balance", "amount", "loyalty", "bonus"),
    *("entry", "from", "to"),
)
"""Words beside a sign word that change nothing: ``Deduct points``."""
