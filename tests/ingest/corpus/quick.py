"""Names of the files that the fast tests read: some of every kind of damage, none that takes a second."""

_NAMES = """
    plain.pdf three-pages-and-picture.pdf two-hundred-pages.pdf turned-90.pdf
    font-without-unicode-map.pdf chinese.pdf hebrew.pdf arabic.pdf print-colours.pdf grey-scan.pdf
    vector-figure.pdf may-not-be-printed.pdf blank-page.pdf attachment-and-script.pdf page-box-huge.pdf
    page-box-narrow.pdf page-box-of-names.pdf page-tree-40000-deep.pdf page-tree-is-its-own-child.pdf
    no-pages.pdf 301-pages.pdf says-a-billion-pages.pdf form-draws-itself.pdf million-saved-states.pdf
    image-of-900-megapixels.pdf image-of-rubbish-JPXDecode.pdf password-128-bits.pdf empty.pdf
    rubbish-between.pdf sound-cut-at-0.6.pdf sound-flipped-20-3.pdf sound-flipped-400-4.pdf
    scan-flipped-20-2.pdf print.jpg print.tif sixteen-bit.png palette.gif float.tif turned-6.jpg
    three-pages.tif 60-megapixels.png four-gigapixels.gif directory-in-a-loop.tif long-note.png
    exif-in-a-loop.jpg photo-cut-at-0.5.webp photo-flipped-20-1.jpg really-a.png jpeg-and-archive.jpg
    gif-and-script.gif jpeg-named-as.pdf page.html 50000-deep.html entities.html hidden.html 45-mb.html
    only-a-script.html page-flipped-20-1.html log.md lists-50-deep.md quotes-5000-deep.md
    russian-in-koi8-r.txt arabic-in-utf-8.txt japanese-in-shift_jis.txt mark-that-lies.txt of-tags.txt
    bidi-override.txt zeros.txt drawing.svg letter.docx hebrew.docx wide-characters.docx
    picture-elsewhere.docx without-styles.docx without-image1.png.docx related-to-null.docx
    text-of-100-mb.docx lies-about-its-size.docx entities-that-double.docx entity-of-a-file.docx
    tables-120-deep.docx password.docx locked-entries.docx letter-and-pdf.docx letter-cut-at-0.5.docx
    letter-flipped-3-0.docx
"""
QUICK = frozenset(_NAMES.split())
