/**
 * What becomes of each option that `ssh -G` prints. Every option that OpenSSH knows is in one of these lists, so that
 * none is passed over in silence; test/targets/ssh/ssh-config.test.ts holds them against the installed ssh.
 */

/** Options that decide how the connection is made; ssh-config.ts reads them. */
export const HONOURED: readonly string[] = [
  "addressfamily",
  "bindaddress",
  "ciphers",
  "connecttimeout",
  "globalknownhostsfile",
  "hashknownhosts",
  "host",
  "hostkeyalgorithms",
  "hostkeyalias",
  "hostname",
  "identitiesonly",
  "identityagent",
  "identityfile",
  "kexalgorithms",
  "macs",
  "port",
  "proxycommand",
  "proxyjump",
  "pubkeyacceptedalgorithms",
  "requiredrsasize",
  "revokedhostkeys",
  "serveralivecountmax",
  "serveraliveinterval",
  "tcpkeepalive",
  "user",
  "userknownhostsfile",
];

/** Options that do not matter to a daemon's connection, or for which the daemon is stricter than ssh. */
export const IGNORABLE: readonly string[] = [
  // Kept by `ssh -G` itself, which has already followed them.
  "canonicaldomains",
  "canonicalizefallbacklocal",
  "canonicalizehostname",
  "canonicalizemaxdots",
  "canonicalizepermittedcnames",
  "ignoreunknown",
  "include",
  "match",
  "tag",
  // What a person's session does: the daemon opens none of these.
  "channeltimeout",
  "clearallforwardings",
  "dynamicforward",
  "enableescapecommandline",
  "escapechar",
  "exitonforwardfailure",
  "forkafterauthentication",
  "forwardagent",
  "forwardx11",
  "forwardx11timeout",
  "forwardx11trusted",
  "gatewayports",
  "localcommand",
  "localforward",
  "permitlocalcommand",
  "permitremoteopen",
  "remotecommand",
  "remoteforward",
  "requesttty",
  "sendenv",
  "sessiontype",
  "setenv",
  "stdinnull",
  "streamlocalbindmask",
  "streamlocalbindunlink",
  "tunnel",
  "tunneldevice",
  "xauthlocation",
  // A hostile host could make the library unpack without end.
  "compression",
  // The daemon holds its own connection and leaves the user's shared ones alone.
  "controlmaster",
  "controlpath",
  "controlpersist",
  // Stricter here: host keys come from the known_hosts files only, and a person says yes to a new one.
  "checkhostip",
  "nohostauthenticationforlocalhost",
  "stricthostkeychecking",
  "updatehostkeys",
  "verifyhostkeydns",
  // Ways of logging in that are tried by ssh beside keys; the daemon never asks and uses keys.
  "batchmode",
  "enablesshkeysign",
  "gssapiauthentication",
  "gssapiclientidentity",
  "gssapidelegatecredentials",
  "gssapikexalgorithms",
  "gssapikeyexchange",
  "gssapirenewalforcesrekey",
  "gssapiserveridentity",
  "gssapitrustdns",
  "hostbasedacceptedalgorithms",
  "hostbasedauthentication",
  "kbdinteractiveauthentication",
  "kbdinteractivedevices",
  "numberofpasswordprompts",
  "passwordauthentication",
  "preferredauthentications",
  "addkeystoagent",
  "securitykeyprovider",
  // Host certificates are not taken, whoever signed them.
  "casignaturealgorithms",
  // How ssh looks, logs and paces itself.
  "connectionattempts",
  "fingerprinthash",
  "ipqos",
  "loglevel",
  "logverbose",
  "obscurekeystroketiming",
  "rekeylimit",
  "syslogfacility",
  "versionaddendum",
  "visualhostkey",
  "warnweakcrypto",
];

interface Unsupported {
  readonly option: string;
  /** As ssh_config(5) spells it. */
  readonly name: string;
  /** Whether this value asks for what cannot be done. */
  readonly asks: (value: string) => boolean;
  readonly instead: string;
}

const isSet = (value: string): boolean => value !== "none";
const isYes = (value: string): boolean => value === "yes" || value === "true";

/** Options without which there can be no connection as the user meant it: refused before anything is sent. */
export const REFUSED: readonly Unsupported[] = [
  {
    option: "refuseconnection",
    name: "RefuseConnection",
    asks: isSet,
    instead: "take it out of the host's section",
  },
  {
    option: "proxyusefdpass",
    name: "ProxyUseFdpass",
    asks: isYes,
    instead: "use a ProxyCommand that carries the bytes itself, such as `nc %h %p`",
  },
  {
    option: "bindinterface",
    name: "BindInterface",
    asks: isSet,
    instead: "use BindAddress with an address of that interface",
  },
  {
    option: "pubkeyauthentication",
    name: "PubkeyAuthentication no",
    asks: (value) => value === "no" || value === "false",
    instead:
      "the daemon can log in with keys only: allow them for this host and add a key to its authorized_keys",
  },
];

/** Options that matter only when the host takes no plain key. */
export const LOGIN_NOT_HONOURED: readonly Unsupported[] = [
  {
    option: "certificatefile",
    name: "CertificateFile",
    asks: isSet,
    instead: "add a plain key to the host's authorized_keys",
  },
  {
    option: "pkcs11provider",
    name: "PKCS11Provider",
    asks: isSet,
    instead: "load the token into an agent: ssh-add -s <provider>",
  },
];

/** Options that matter only when the host key is in none of the files. */
export const HOST_KEYS_NOT_HONOURED: readonly Unsupported[] = [
  {
    option: "knownhostscommand",
    name: "KnownHostsCommand",
    asks: isSet,
    instead: "put the host key into a known_hosts file",
  },
];
