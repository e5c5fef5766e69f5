#!/usr/bin/env python3
# Mail arrives, is read, sorted and deleted; an mbox is compacted.
# tools: python3 (mailbox, email)
# order (Maildir): tmp/N written, renamed to new/N, to cur/N:2,S, to .Archive/cur/N; some deleted. mbox: messages appended; rewritten under a temporary name and renamed over
# kind: benign
import email.message, mailbox, os, sys
target = os.path.realpath(sys.argv[1])
if not os.path.exists(os.path.join(os.path.dirname(target), '.scratch-ok')):
    sys.exit('refusing: no .scratch-ok beside ' + target)
os.chdir(target)


def message(number):
    mail = email.message.EmailMessage()
    mail['From'], mail['To'], mail['Subject'] = 'sender%d@example.test' % number, 'tanaka@example.test', '見積書 No. %d' % number
    mail['Message-ID'] = '<%d@example.test>' % number
    # What spam and phishing training say: words alone make no attack.
    mail.set_content('Please restore the attached file, pay the invoice and contact us.\n' * (1 + number % 20))
    if number % 2 == 0:  # base64 throughout: an attachment that nobody can compress
        mail.add_attachment(os.urandom(3000 + 300 * (number % 40)), maintype='application', subtype='octet-stream', filename='scan%d.bin' % number)
    return mail


box = mailbox.Maildir('Users/tanaka/Maildir', create=True)
archive = box.add_folder('Archive')
keys = [box.add(message(number)) for number in range(80)]
for position, key in enumerate(keys):
    mail = box.get_message(key)
    mail.set_subdir('cur')
    mail.add_flag('S')
    box[key] = mail
    if position % 4 == 0:
        archive.add(mail)
        box.discard(key)
    elif position % 5 == 0:
        box.discard(key)
subjects = sorted(str(mail['Message-ID']) for mail in [*box, *archive])
if len(subjects) != 68 or len(set(subjects)) != 68:
    sys.exit('mails are missing: %d' % len(subjects))

old = mailbox.mbox('Users/tanaka/inbox.mbox')
old.lock()
for number in range(60):
    old.add(message(number))
    if number % 20 == 19:
        old.flush()
for key in list(old.keys())[::3]:
    old.discard(key)
old.flush()
old.unlock()
old.close()
if len(mailbox.mbox('Users/tanaka/inbox.mbox')) != 40:
    sys.exit('the mbox is not whole')
