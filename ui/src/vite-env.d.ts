import "react";

declare module "react" {
  interface InputHTMLAttributes<T> {
    /** Not standard, and in every browser: picks a folder. */
    webkitdirectory?: T extends HTMLInputElement ? string : never;
  }
}
